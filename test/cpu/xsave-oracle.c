/*
 * The XSAVE feature set on this machine's processor, for xsave-host.test.ts: stdin to stdout, a record for each case.
 *
 * In: instruction (0 XSAVE, 1 XRSTOR, 2 XSAVEOPT, 3 XSAVEC), whether with REX.W, mask (8 bytes); a state, as an area for XRSTOR64; the memory
 * of the instruction. Out: vector of a fault, or 0; the memory; the state after, by XSAVE64.
 */
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define AREA 896
#define COMPONENTS 7

struct input {
  uint32_t instruction, wide;
  uint64_t mask;
  uint8_t state[AREA], memory[AREA];
};
struct output {
  uint32_t vector, unused;
  uint8_t memory[AREA], state[AREA];
};

static struct input in;
static struct output out;
static uint8_t state[AREA] __attribute__((aligned(64)));
static uint8_t memory[AREA] __attribute__((aligned(64)));
static uint8_t after[AREA] __attribute__((aligned(64)));
static sigjmp_buf back;

static void fault(int signal) {
  siglongjmp(back, signal == SIGILL ? 6 : 13);
}

/* Nothing may stand between the two states: the compiler uses vector registers as it likes. */
#define DO(text)                                                                                                          \
  __asm__ volatile("xrstor64 (%[s])\n\tmov %[low], %%eax\n\tmov %[high], %%edx\n\t" text " (%[m])\n\t"                    \
                   "mov %[all], %%eax\n\txor %%edx, %%edx\n\txsave64 (%[a])"                                              \
                   :                                                                                                      \
                   : [s] "r"(state), [m] "r"(memory), [a] "r"(after), [low] "r"((uint32_t)in.mask),                       \
                     [high] "r"((uint32_t)(in.mask >> 32)), [all] "i"(COMPONENTS), "a"(COMPONENTS), "d"(0)                \
                   : "memory")

static void execute(void) {
  switch (in.instruction * 2 + in.wide) {
    case 0: DO("xsave"); break;
    case 1: DO("xsave64"); break;
    case 2: DO("xrstor"); break;
    case 3: DO("xrstor64"); break;
    case 4: DO("xsaveopt"); break;
    case 5: DO("xsaveopt64"); break;
    case 6: DO("xsavec"); break;
    default: DO("xsavec64"); break;
  }
  __asm__ volatile("fninit\n\tvzeroupper\n\tldmxcsr %0" : : "m"((const uint32_t){0x1f80}));
}

int main(void) {
  struct sigaction action = {.sa_handler = fault, .sa_flags = SA_NODEFER};
  sigaction(SIGSEGV, &action, 0);
  sigaction(SIGILL, &action, 0);
  while (fread(&in, sizeof in, 1, stdin) == 1) {
    memcpy(state, in.state, AREA);
    memcpy(memory, in.memory, AREA);
    memset(after, 0, AREA);
    out.vector = (uint32_t)sigsetjmp(back, 1);
    if (out.vector == 0) execute();
    memcpy(out.memory, memory, AREA);
    memcpy(out.state, after, AREA);
    fwrite(&out, sizeof out, 1, stdout);
  }
  return 0;
}
