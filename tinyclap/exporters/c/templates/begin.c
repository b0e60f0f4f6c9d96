/* Written by `tinyclap export --c`; C99, without memory from the heap. See tinyclap.h. */

#include "tinyclap.h"

#include <math.h>
#include <string.h>

#ifndef TINYCLAP_LANES
/* Frames that are transformed side by side: as many as the processor's vectors hold. */
#if defined(__AVX512F__)
#define TINYCLAP_LANES 16
#elif defined(__AVX__)
#define TINYCLAP_LANES 8
#elif defined(__SSE2__) || defined(__ARM_NEON)
#define TINYCLAP_LANES 4
#else
#define TINYCLAP_LANES 1
#endif
#endif

#ifndef TINYCLAP_ARENA_ATTRIBUTE
#if defined(__GNUC__)
#define TINYCLAP_ARENA_ATTRIBUTE __attribute__((aligned(16)))
#else
#define TINYCLAP_ARENA_ATTRIBUTE
#endif
#endif

/* The one piece of memory that is written to: everything lies in it. A double first, for its alignment. */
static union {
    double aligned;
    unsigned char bytes[TINYCLAP_ARENA_BYTES];
} memory TINYCLAP_ARENA_ATTRIBUTE;
#define arena (memory.bytes)
