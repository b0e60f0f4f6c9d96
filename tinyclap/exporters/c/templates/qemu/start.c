/* Start of an emulated Cortex-M (Arm's MPS2 and MPS3 boards in QEMU) with newlib's semihosting. */

#include <stdint.h>

extern unsigned long stack_top[], stack_bottom[];
extern void initialise_monitor_handles(void);
extern void exit(int);
extern int main(int argc, char **argv);
void reset(void);
void fault(void);
void _init(void);
void _fini(void);
unsigned long tinyclap_ticks(void);
unsigned long tinyclap_stack(void);

#define PAINT 0xa5a5a5a5ul
#define SYSTICK ((volatile uint32_t *)0xe000e010)
#define CPACR (*(volatile uint32_t *)0xe000ed88)

void _init(void) {}
void _fini(void) {}

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

/* The words of QEMU's arg=..., by semihosting. */
static char line[256], *argv[9];
static int argc;

static void split_line(void)
{
    struct {
        char *text;
        unsigned long size;
    } asked = {line, sizeof line};
    register unsigned long op __asm__("r0") = 0x15, what __asm__("r1") = (unsigned long)&asked;
    char *at = line;
    __asm__ volatile("bkpt 0xab" : "+r"(op) : "r"(what) : "memory");
    while (op == 0 && *at != 0 && argc < 8) {
        argv[argc++] = at;
        while (*at != 0 && *at != ' ')
            at++;
        if (*at == ' ')
            *at++ = 0;
    }
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
    SYSTICK[0] = 7;
    initialise_monitor_handles();
    split_line();
    exit(main(argc, argv));
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
