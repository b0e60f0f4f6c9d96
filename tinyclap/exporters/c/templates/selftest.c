/* Does this machine compute what was exported? Two signals of whole numbers, the same everywhere. */

#include "tinyclap.h"
#include "expected.h"

#include <math.h>
#include <stdio.h>

#ifdef TINYCLAP_TICKS /* instructions of one tick, of a clock that counts down (see qemu/start.c) */
unsigned long tinyclap_ticks(void);
unsigned long tinyclap_stack(void);
#endif

static uint32_t state, phase;

static int16_t next_sample(int signal, long i)
{
    int32_t triangle;
    state = state * 1664525u + 1013904223u;
    phase += 40000u * (uint32_t)(signal + 1) + (uint32_t)(i & 0xffff);
    triangle = (int32_t)((phase >> 8) & 0xffff) - 32768;
    triangle = (triangle < 0 ? -triangle : triangle) - 16384;
    return (int16_t)(triangle / 4 + ((int32_t)(state >> 16) - 32768) / (8 << (2 * signal)));
}

int main(void)
{
    static float embedding[TINYCLAP_EMBED_DIM];
    int signal, i, failed = 0;
    for (signal = 0; signal < EXPECTED_SIGNALS; signal++) {
        tinyclap_event event = TINYCLAP_MORE;
        double cosine = 0.0, worst = 0.0;
        long at = 0;
#ifdef TINYCLAP_TICKS
        const unsigned long before = tinyclap_ticks();
#endif
        state = 1u + (uint32_t)signal;
        phase = 0;
        tinyclap_start();
        while (event == TINYCLAP_MORE) {
            int16_t block[256];
            const int16_t *samples = block;
            size_t n = 0;
            while (n < 256 && at < TINYCLAP_WINDOW)
                block[n++] = next_sample(signal, at++);
            event = tinyclap_push(&samples, &n, embedding);
        }
#ifdef TINYCLAP_TICKS
        printf("signal %d: %lu instructions, %lu bytes of stack\n", signal,
               (tinyclap_ticks() - before) * TINYCLAP_TICKS, tinyclap_stack());
#endif
        for (i = 0; i < TINYCLAP_EMBED_DIM; i++) {
            const double difference = fabs((double)embedding[i] - expected[signal][i]);
            cosine += (double)embedding[i] * expected[signal][i];
            worst = difference > worst ? difference : worst;
        }
        printf("signal %d: cosine %.6f, largest difference %.2e\n", signal, cosine, worst);
        if (!(cosine >= EXPECTED_COSINE) || !(worst <= EXPECTED_DIFFERENCE) || event != TINYCLAP_EMBEDDING)
            failed = 1;
    }
    printf("%s; arena %d bytes\n", failed ? "FAILED" : "passed", TINYCLAP_ARENA_BYTES);
    return failed;
}
