/*
 * Runs single SIMD instructions on the host's processor and reports what they did: the oracle of sse.test.ts.
 *
 * Usage: sse-oracle CASES RESULTS. Both files hold records of struct machine; `code` becomes the signal that the instruction raised,
 * `eflags` what it left. Register operands are numbers 0 to 2 (rax, rcx, rdx; xmm0-2; mm1, mm2), memory is [rsi].
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

struct machine {
  uint8_t code[16]; /* at 0: the instruction; its length in the last byte */
  uint32_t mxcsr;   /* 16 */
  uint32_t eflags;  /* 20 */
  uint8_t xmm[3][16]; /* 24 */
  uint64_t mm[2];   /* 72 */
  uint64_t gpr[3];  /* 88 */
  uint8_t mem[16];  /* 112 */
};

void run(struct machine *m);
extern uint8_t slot[], resume[];

__asm__(
  ".text\n.balign 4096\n.globl run\nrun:\n"
  "ldmxcsr 16(%rdi)\n"
  "movdqu 24(%rdi), %xmm0\nmovdqu 40(%rdi), %xmm1\nmovdqu 56(%rdi), %xmm2\n"
  "movq 72(%rdi), %mm1\nmovq 80(%rdi), %mm2\n"
  "mov 88(%rdi), %rax\nmov 96(%rdi), %rcx\nmov 104(%rdi), %rdx\n"
  "lea 112(%rdi), %rsi\n"
  ".globl slot\nslot:\n.skip 16, 0x90\n"
  ".globl resume\nresume:\n"
  "movdqu %xmm0, 24(%rdi)\nmovdqu %xmm1, 40(%rdi)\nmovdqu %xmm2, 56(%rdi)\n"
  "movq %mm1, 72(%rdi)\nmovq %mm2, 80(%rdi)\n"
  "mov %rax, 88(%rdi)\nmov %rcx, 96(%rdi)\nmov %rdx, 104(%rdi)\n"
  "pushfq\npop %rax\nmov %eax, 20(%rdi)\n"
  "stmxcsr 16(%rdi)\nemms\n"
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
  sigaction(SIGSEGV, &action, 0);
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
