/* Written by `tinyclap export --c`; C99, without memory from the heap. See tinyclap.h. */

#include "tinyclap.h"

#include <math.h>
#include <string.h>

#ifndef TINYCLAP_LANES
#define TINYCLAP_LANES 1 /* frames that are transformed side by side: 8 or 16 where the compiler makes vectors of them */
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
