/* classify SOUND.wav: the labels that fit every stretch of a mono WAV of 16 bits at TINYCLAP_SAMPLE_RATE. */

#include "tinyclap.h"

#include <stdio.h>
#include <string.h>

static unsigned long little(const unsigned char *bytes, int n)
{
    return n == 0 ? 0 : bytes[0] + 256 * little(bytes + 1, n - 1);
}

/* Moves on to the samples; returns why not, or NULL. */
static const char *open_samples(FILE *file)
{
    unsigned char head[12], chunk[8], form[16];
    int known = 0;
    if (fread(head, 1, 12, file) != 12 || memcmp(head, "RIFF", 4) != 0 || memcmp(head + 8, "WAVE", 4) != 0)
        return "no WAV file";
    while (fread(chunk, 1, 8, file) == 8) {
        const unsigned long size = little(chunk + 4, 4);
        if (memcmp(chunk, "data", 4) == 0)
            return known ? NULL : "no form of samples before them";
        if (memcmp(chunk, "fmt ", 4) == 0 && size >= 16) {
            if (fread(form, 1, 16, file) != 16 || little(form + 2, 2) != 1 || little(form + 14, 2) != 16)
                return "not mono, or not of 16 bits";
            if (little(form + 4, 4) != TINYCLAP_SAMPLE_RATE)
                return "of another sample rate";
            known = 1;
            if (fseek(file, (long)(size - 16), SEEK_CUR) != 0)
                return "too short";
        } else if (fseek(file, (long)size, SEEK_CUR) != 0)
            return "too short";
    }
    return "too short";
}

static void tell(long position, tinyclap_event event, const float *embedding)
{
    printf("%6.1f s  ", (double)position / TINYCLAP_SAMPLE_RATE);
#if TINYCLAP_LABELS > 0
    if (event == TINYCLAP_EMBEDDING) {
        static float probabilities[TINYCLAP_LABELS];
        const int best = tinyclap_classify(embedding, probabilities);
        printf("%s %.2f\n", tinyclap_label(best), (double)probabilities[best]);
        return;
    }
#endif
    printf(event == TINYCLAP_SILENCE ? "(silence)\n" : "embedding %.4f ...\n", (double)embedding[0]);
}

int main(int argc, char **argv)
{
    static float embedding[TINYCLAP_EMBED_DIM];
    static int16_t block[512];
    FILE *const file = argc > 1 ? fopen(argv[1], "rb") : NULL;
    const char *const wrong = file == NULL ? "it cannot be opened" : open_samples(file);
    long position = 0;
    size_t n;
    if (wrong != NULL) {
        fprintf(stderr, "%s: %s; give a mono WAV of 16 bits at %d Hz\n", argc > 1 ? argv[1] : "no file", wrong,
                TINYCLAP_SAMPLE_RATE);
        return 2;
    }
    while ((n = fread(block, 2, 512, file)) > 0) {
        const int16_t *samples = block;
        while (n > 0) {
            const size_t before = n;
            const tinyclap_event event = tinyclap_push(&samples, &n, embedding);
            position += (long)(before - n);
            if (event != TINYCLAP_MORE)
                tell(position, event, embedding);
        }
    }
    if (position < TINYCLAP_WINDOW)
        fprintf(stderr, "%s: shorter than a window of %d samples\n", argv[1], TINYCLAP_WINDOW);
    fclose(file);
    return position < TINYCLAP_WINDOW;
}
