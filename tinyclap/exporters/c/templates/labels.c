
/* ---- labels ---- */

#if TINYCLAP_LABELS > 0
const char *tinyclap_label(int number) { return number >= 0 && number < TINYCLAP_LABELS ? label_names[number] : ""; }

int tinyclap_classify(const float *embedding, float *probabilities)
{
    float cosine, highest = -2.0f, sum = 0.0f;
    int label, i, best = 0;
    for (label = 0; label < TINYCLAP_LABELS; label++) {
        const label_t *const vector = label_vectors + label * TINYCLAP_EMBED_DIM;
        cosine = 0.0f;
        for (i = 0; i < TINYCLAP_EMBED_DIM; i++)
            cosine += embedding[i] * (float)vector[i];
        cosine *= label_scales[label];
        probabilities[label] = cosine;
        if (cosine > highest) {
            highest = cosine;
            best = label;
        }
    }
    for (label = 0; label < TINYCLAP_LABELS; label++)
        sum += probabilities[label] = expf(LOGIT_SCALE * (probabilities[label] - highest));
    for (label = 0; label < TINYCLAP_LABELS; label++)
        probabilities[label] /= sum;
    return best;
}
#endif
