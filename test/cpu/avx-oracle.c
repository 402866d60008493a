/*
 * Runs single VEX-encoded instructions on the host's processor and reports what they did: the oracle of avx-host.test.ts.
 *
 * Usage: avx-oracle CASES RESULTS. Both files hold records of struct machine. Afterwards `vector` is the exception that the instruction
 * raised, or 0; registers are those that it left, faulted or not. Memory is at rsi and rdi, the middle of `mem`.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>

struct machine {
  uint8_t code[16];    /* at 0: the instruction; its length in the last byte */
  uint32_t mxcsr;      /* 16 */
  uint32_t eflags;     /* 20 */
  uint32_t vector;     /* 24 */
  uint32_t pad;
  uint64_t gpr[4];     /* 32: rax rcx rdx rbx */
  uint8_t mem[128];    /* 64 */
  uint8_t ymm[16][32]; /* 192 */
};

void run(struct machine *m);
extern uint8_t slot[], resume[];

#define EACH(f) f(0) f(1) f(2) f(3) f(4) f(5) f(6) f(7) f(8) f(9) f(10) f(11) f(12) f(13) f(14) f(15)
#define LOAD(n) "vmovdqu 192+32*" #n "(%r15), %ymm" #n "\n"
#define KEEP(n) "vmovdqu %ymm" #n ", 192+32*" #n "(%r15)\n"

__asm__(
  ".text\n.balign 4096\n.globl run\nrun:\n"
  "push %rbx\npush %r15\nmov %rdi, %r15\n"
  "ldmxcsr 16(%r15)\n"
  EACH(LOAD)
  "mov 32(%r15), %rax\nmov 40(%r15), %rcx\nmov 48(%r15), %rdx\nmov 56(%r15), %rbx\n"
  "lea 128(%r15), %rsi\nmov %rsi, %rdi\n"
  "mov 20(%r15), %r14d\npush %r14\npopfq\n"
  ".globl slot\nslot:\n.skip 16, 0x90\n"
  ".globl resume\nresume:\n"
  "pushfq\npop %r14\nmov %r14d, 20(%r15)\n"
  "mov %rax, 32(%r15)\nmov %rcx, 40(%r15)\nmov %rdx, 48(%r15)\nmov %rbx, 56(%r15)\n"
  EACH(KEEP)
  "stmxcsr 16(%r15)\nvzeroupper\n"
  "pop %r15\npop %rbx\n"
  "ret\n.balign 4096\n");

static volatile uint32_t caught;

static void on_signal(int number, siginfo_t *info, void *context) {
  (void)number;
  (void)info;
  greg_t *r = ((ucontext_t *)context)->uc_mcontext.gregs;
  caught = (uint32_t)r[REG_TRAPNO];
  r[REG_RIP] = (greg_t)(uintptr_t)resume;
}

static void one(struct machine *m) {
  __asm__ volatile("call run" : "+D"(m) : : "memory", "rax", "rcx", "rdx", "rsi", "r14", "cc");
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
  sigaction(SIGBUS, &action, 0);
  uint8_t last[16] = { 0 };
  while (fread(&m, sizeof m, 1, in) == 1) {
    if (memcmp(last, m.code, 16)) {
      memset(slot, 0x90, 16);
      memcpy(slot, m.code, m.code[15]);
      memcpy(last, m.code, 16);
    }
    caught = 0;
    one(&m);
    __asm__ volatile("ldmxcsr %0" : : "m"(standard));
    m.vector = caught;
    fwrite(&m, sizeof m, 1, out);
  }
  return fclose(out) != 0;
}
