/* Start of an emulated Cortex-M (Arm's MPS2 and MPS3 boards in QEMU) with newlib's semihosting. */

#include <stdint.h>

extern unsigned long stack_top[], stack_bottom[];
extern void _start(void);
void reset(void);
void fault(void);
unsigned long tinyclap_ticks(void);
unsigned long tinyclap_stack(void);

#define PAINT 0xa5a5a5a5ul
#define SYSTICK ((volatile uint32_t *)0xe000e010)
#define CPACR (*(volatile uint32_t *)0xe000ed88)

static volatile unsigned long wraps;
static void systick(void) { wraps++; }

__attribute__((section(".vectors"), used)) static void *const vectors[16] = {
    stack_top, (void *)reset, (void *)fault, (void *)fault, (void *)fault, (void *)fault, (void *)fault, 0, 0, 0, 0,
    (void *)fault, (void *)fault, 0, (void *)fault, (void *)systick};

void fault(void)
{
    static const char said[] = "fault\n";
    register unsigned long op __asm__("r0") = 4, what __asm__("r1") = (unsigned long)said;
    __asm__ volatile("bkpt 0xab" : "+r"(op) : "r"(what) : "memory");
    for (;;)
        ;
}

void reset(void)
{
    unsigned long *word, *here = (unsigned long *)__builtin_frame_address(0) - 16;
    CPACR |= 0xful << 20; /* the floating point unit */
    __asm__ volatile("dsb\nisb");
    for (word = stack_bottom; word < here; word++)
        *word = PAINT;
    SYSTICK[1] = 0xffffff; /* 24 bits at the board's own clock, see README.md */
    SYSTICK[2] = 0;
    SYSTICK[0] = 3;
    _start();
    for (;;)
        ;
}

/* Ticks since the start. */
unsigned long tinyclap_ticks(void)
{
    unsigned long high, low;
    do {
        high = wraps;
        low = 0xffffff - SYSTICK[2];
    } while (high != wraps);
    return (high << 24) + low;
}

/* Bytes of the stack that were used so far. */
unsigned long tinyclap_stack(void)
{
    const unsigned long *word = stack_bottom;
    while (*word == PAINT)
        word++;
    return (unsigned long)((const char *)stack_top - (const char *)word);
}
