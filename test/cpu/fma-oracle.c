/*
 * Runs single VEX instructions on the host's processor and reports what they did: the oracle of fma-host.test.ts.
 *
 * Usage: fma-oracle CASES RESULTS. Both files hold records of struct machine; the first byte of `code` becomes the signal that the
 * instruction raised. Operands are ymm0 to ymm2 and [rsi].
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

struct machine {
  uint8_t code[16];   /* at 0: the instruction; its length in the last byte */
  uint32_t mxcsr[4];  /* 16 */
  uint8_t ymm[3][32]; /* 32 */
  uint8_t mem[32];    /* 128 */
};

void run(struct machine *m);
extern uint8_t slot[], resume[];

__asm__(
  ".text\n.balign 4096\n.globl run\nrun:\n"
  "vldmxcsr 16(%rdi)\n"
  "vmovdqu 32(%rdi), %ymm0\nvmovdqu 64(%rdi), %ymm1\nvmovdqu 96(%rdi), %ymm2\n"
  "lea 128(%rdi), %rsi\n"
  ".globl slot\nslot:\n.skip 16, 0x90\n"
  ".globl resume\nresume:\n"
  "vmovdqu %ymm0, 32(%rdi)\nvmovdqu %ymm1, 64(%rdi)\nvmovdqu %ymm2, 96(%rdi)\n"
  "vstmxcsr 16(%rdi)\nvzeroupper\n"
  "ret\n.balign 4096\n");

static volatile int caught;

static void on_signal(int number, siginfo_t *info, void *context) {
  (void)info;
  caught = number;
  ((ucontext_t *)context)->uc_mcontext.gregs[REG_RIP] = (greg_t)(uintptr_t)resume;
}

int main(int argc, char **argv) {
  static struct machine m __attribute__((aligned(64)));
  const uint32_t standard = 0x1f80;
  if (argc != 3) return 2;
  FILE *in = fopen(argv[1], "rb"), *out = fopen(argv[2], "wb");
  if (!in || !out) return 2;
  if (mprotect((void *)((uintptr_t)run & ~4095ul), 4096, PROT_READ | PROT_WRITE | PROT_EXEC)) return 3;
  struct sigaction action = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO };
  sigaction(SIGFPE, &action, 0);
  sigaction(SIGILL, &action, 0);
  uint8_t last[16] = { 0 };
  while (fread(&m, sizeof m, 1, in) == 1) {
    if (memcmp(last, m.code, 16)) {
      memset(slot, 0x90, 16);
      memcpy(slot, m.code, m.code[15]);
      memcpy(last, m.code, 16);
    }
    caught = 0;
    run(&m);
    __asm__ volatile("ldmxcsr %0" : : "m"(standard));
    memset(m.code, 0, 16);
    m.code[0] = (uint8_t)caught;
    fwrite(&m, sizeof m, 1, out);
  }
  return fclose(out) != 0;
}
