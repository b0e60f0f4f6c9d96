
/* ---- what both precisions share ---- */

#if HEAD_LAYERS > 1
static float gelu(float x) { return 0.5f * x * (1.0f + erff(x * 0.70710678f)); }

static void layer_norm(float *x)
{
    float mean = 0.0f, variance = 0.0f, factor;
    int i;
    for (i = 0; i < WIDE; i++)
        mean += x[i];
    mean /= (float)WIDE;
    for (i = 0; i < WIDE; i++)
        variance += (x[i] - mean) * (x[i] - mean);
    factor = 1.0f / sqrtf(variance / (float)WIDE + LAYER_NORM_EPS);
    for (i = 0; i < WIDE; i++)
        x[i] = (x[i] - mean) * factor * layer_norm_weight[i] + layer_norm_bias[i];
}
#endif

static void unit_norm(float *x)
{
    float squares = 0.0f, factor;
    int i;
    for (i = 0; i < TINYCLAP_EMBED_DIM; i++)
        squares += x[i] * x[i];
    factor = 1.0f / sqrtf(squares > 1e-24f ? squares : 1e-24f);
    for (i = 0; i < TINYCLAP_EMBED_DIM; i++)
        x[i] *= factor;
}
