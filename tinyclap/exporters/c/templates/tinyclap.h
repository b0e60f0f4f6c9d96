/* @NAME@: sound to an embedding in @PRECISION@. Written by tinyclap @VERSION@, `tinyclap export --c`.
 *
 * One thread at a time: the state is static. Nothing is allocated; TINYCLAP_ARENA_BYTES are all that is written to,
 * besides the stack.
 */
#ifndef TINYCLAP_H
#define TINYCLAP_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define TINYCLAP_INT8 @INT8@
#define TINYCLAP_SAMPLE_RATE @SAMPLE_RATE@ /* Hz, of all samples */
#define TINYCLAP_WINDOW @WINDOW@ /* samples that are heard at once */
#define TINYCLAP_FRAMES @FRAMES@
#define TINYCLAP_MELS @MELS@
#define TINYCLAP_EMBED_DIM @EMBED_DIM@
#define TINYCLAP_LABELS @N_LABELS@
#define TINYCLAP_ARENA_BYTES @ARENA_BYTES@
#define TINYCLAP_HOP @HOP@ /* samples from one answer of a stream to the next */
#ifndef TINYCLAP_SILENCE_RMS
#define TINYCLAP_SILENCE_RMS 3.1622777e-4 /* quieter windows are silence: -70 dB of full scale */
#endif

/* Does not compile unless your sound has the rate that the network was trained at:
 *     TINYCLAP_CHECK_SAMPLE_RATE(MY_CODEC_RATE);
 */
#define TINYCLAP_CHECK_SAMPLE_RATE(rate) \
    extern char tinyclap_sample_rate_must_be_@SAMPLE_RATE@_Hz[(rate) == TINYCLAP_SAMPLE_RATE ? 1 : -1]

typedef enum {
    TINYCLAP_MORE,      /* all samples are taken, and no window is complete */
    TINYCLAP_EMBEDDING, /* a window is complete, and its embedding there */
    TINYCLAP_SILENCE    /* a window is complete, and there is nothing to hear in it */
} tinyclap_event;

/* Forget all samples; before the first ones it is not needed. */
void tinyclap_start(void);

/* Take samples of a stream until a window is complete: the first after TINYCLAP_WINDOW samples, then one every
 * TINYCLAP_HOP. `samples` and `n` move on; call again while n > 0. `embedding`: TINYCLAP_EMBED_DIM numbers.
 *     while (n > 0)
 *         if (tinyclap_push(&samples, &n, embedding) == TINYCLAP_EMBEDDING) ...
 */
tinyclap_event tinyclap_push(const int16_t **samples, size_t *n, float *embedding);

/* The same of samples in [-1, 1]. */
tinyclap_event tinyclap_push_float(const float **samples, size_t *n, float *embedding);

/* One window of TINYCLAP_WINDOW samples in [-1, 1] to a unit vector; a stream starts anew. */
void tinyclap_embed(const float *waveform, float *embedding);

/* The log-mel spectrogram of one window, (TINYCLAP_FRAMES, TINYCLAP_MELS) in decibels, before quiet ones are raised. */
void tinyclap_logmel(const float *waveform, float *logmel);

/* Such a spectrogram to a unit vector. */
void tinyclap_embed_logmel(const float *logmel, float *embedding);

#if TINYCLAP_LABELS > 0
/* The text of a label, UTF-8. */
const char *tinyclap_label(int number);

/* The probability of each label (TINYCLAP_LABELS numbers), and the number of the best. */
int tinyclap_classify(const float *embedding, float *probabilities);
#endif

#ifdef __cplusplus
}
#endif
#endif
