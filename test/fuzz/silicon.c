/*
 * Runs generated instructions on this machine's processor: the other side of the fuzzer's comparison.
 *
 * silicon FILE: FILE is shared with record.ts: two input buffers and two output buffers of BATCH records. A command on standard input is {buffer, cases};
 * the answer on standard output is {hash of the memory that cases may write, cases that did not end}.
 *
 * A case is entered without the kernel: XRSTOR, the registers, POPFQ, a jump. It leaves by a jump to EXIT, where a piece of code saves everything; only a
 * fault costs a signal, whose handler takes the state from the frame and goes on as if the case had left by itself. FS and GS belong to the cases, so nothing
 * here uses thread-local storage: the only calls after the start are bare system calls.
 */
#define _GNU_SOURCE
#include <asm/prctl.h>
#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <ucontext.h>
#include <unistd.h>

/* The same numbers stand in record.ts. */
enum {
  BATCH = 512, RECORD = 1792, WINDOWS = 4, CODE_ROOM = 64, WINDOW_ROOM = 896,
  DATA = 0x10000000, STACK = 0x11000000, AREA = 0x10000, READ_ONLY = 0x2000, MISSING = 0x3000, AFTER = 0x4000,
  CODE = 0x20000000, CODE_BYTES = 0x10000, EXIT = 0x21000000, CONTROL = 0x22000000,
  ENDED = 256, ENDLESS = 254, SEGMENTS = 1,
};

struct record {
  uint64_t registers[16], rip;
  uint32_t flags, length; /* length of the code; outcome: vector */
  uint32_t what;          /* SEGMENTS; outcome: error code */
  uint32_t mxcsr;
  uint16_t fcw, fsw, ftw, fop;
  union {
    struct { uint32_t address, length; } window[WINDOWS];
    struct { uint64_t cr2, fs_base, gs_base; } outcome;
  } u;
  uint8_t st[8][16]; /* physical registers */
  uint8_t ymm[16][32];
  uint8_t code[CODE_ROOM];
  uint8_t memory[WINDOW_ROOM];
};
_Static_assert(offsetof(struct record, st) == 192 && offsetof(struct record, memory) == 896 && sizeof(struct record) == RECORD, "record.ts");

struct control {
  uint64_t registers[16], rip, flags, stack, after;
  uint8_t pad[96];
  uint8_t in[4096] __attribute__((aligned(64)));
  uint8_t out[4096] __attribute__((aligned(64)));
};
_Static_assert(offsetof(struct control, in) == 256, "the assembly below");
#define C ((volatile struct control *)(uintptr_t)CONTROL)

static struct record *inputs[2], *outputs[2];
static uint8_t *data, *stack;
static volatile uint32_t current, ticks, seen, vector, inside;
static volatile uint64_t error_code, cr2;
static int fsgsbase;

static long call(long number, long a, long b, long c, long d, long e, long f) {
  long result;
  register long r10 __asm__("r10") = d, r8 __asm__("r8") = e, r9 __asm__("r9") = f;
  __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9) : "rcx", "r11", "memory");
  return result;
}
static void finish(int status) { for (;;) call(SYS_exit_group, status, 0, 0, 0, 0, 0); }
static void copy(void *to, const void *from, uint64_t n) { __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(n) : : "memory"); }
static void fill(void *to, int value, uint64_t n) { __asm__ volatile("rep stosb" : "+D"(to), "+c"(n) : "a"(value) : "memory"); }

/* enter(): everything from CONTROL, then the case. after: where the exit code and the handler go. */
void enter(void);
void leave(void);
void after(void);
__asm__(
  ".text\n"
  "enter:\n"
  "  push %rbx; push %rbp; push %r12; push %r13; push %r14; push %r15\n"
  "  mov %rsp, 0x22000090\n"
  "  mov $7, %eax; xor %edx, %edx; xrstor64 0x22000100\n"
  "  mov $0x22000088, %esp; popfq\n"
  "  mov 0x22000000, %rax; mov 0x22000008, %rcx; mov 0x22000010, %rdx; mov 0x22000018, %rbx\n"
  "  mov 0x22000020, %rsp; mov 0x22000028, %rbp; mov 0x22000030, %rsi; mov 0x22000038, %rdi\n"
  "  mov 0x22000040, %r8; mov 0x22000048, %r9; mov 0x22000050, %r10; mov 0x22000058, %r11\n"
  "  mov 0x22000060, %r12; mov 0x22000068, %r13; mov 0x22000070, %r14; mov 0x22000078, %r15\n"
  "  jmp *0x22000080\n"
  /* Copied to EXIT. */
  "leave:\n"
  "  mov %rax, 0x22000000; mov %rcx, 0x22000008; mov %rdx, 0x22000010; mov %rbx, 0x22000018\n"
  "  mov %rsp, 0x22000020; mov %rbp, 0x22000028; mov %rsi, 0x22000030; mov %rdi, 0x22000038\n"
  "  mov %r8, 0x22000040; mov %r9, 0x22000048; mov %r10, 0x22000050; mov %r11, 0x22000058\n"
  "  mov %r12, 0x22000060; mov %r13, 0x22000068; mov %r14, 0x22000070; mov %r15, 0x22000078\n"
  "  mov $0x22000090, %esp; pushfq\n"
  "  mov 0x22000090, %rsp; pushq $0x202; popfq\n"
  "  mov $7, %eax; xor %edx, %edx; xsave64 0x22001100\n"
  "  jmp *0x22000098\n"
  "leave_end:\n"
  "after:\n"
  "  pop %r15; pop %r14; pop %r13; pop %r12; pop %rbp; pop %rbx\n"
  "  ret\n"
  /* The kernel clears DF for a handler, but not AC and NT. */
  ".globl caught\n"
  "caught:\n"
  "  pushq $0x202; popfq\n"
  "  jmp handle\n");
extern char leave_end[];
void caught(int, siginfo_t *, void *);

static const int ORDER[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                              REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};

static void abandon(void) {
  inside = 0;
  __asm__ volatile("mov 0x22000090, %%rsp; jmp after" : : : "memory");
  __builtin_unreachable();
}

__attribute__((used)) void handle(int number, siginfo_t *info, void *context) {
  (void)info;
  const greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
  if (number == SIGVTALRM) {
    if (!inside || seen != current) {
      seen = current;
      ticks = 0;
      return;
    }
    if (++ticks < 3) return;
    vector = ENDLESS;
    abandon();
  }
  if (!inside) finish(3);
  for (int i = 0; i < 16; i++) C->registers[i] = (uint64_t)registers[ORDER[i]];
  C->rip = (uint64_t)registers[REG_RIP];
  C->flags = (uint64_t)registers[REG_EFL];
  vector = (uint32_t)registers[REG_TRAPNO];
  error_code = (uint64_t)registers[REG_ERR];
  cr2 = (uint64_t)registers[REG_CR2];
  copy((void *)C->out, ((ucontext_t *)context)->uc_mcontext.fpregs, 576 + 256);
  abandon();
}

static void put_windows(const struct record *in) {
  const uint8_t *from = in->memory;
  for (int i = 0; i < WINDOWS && in->u.window[i].length; i++) {
    uint32_t a = in->u.window[i].address, n = in->u.window[i].length;
    copy(a - DATA < AREA ? data + (a - DATA) : stack + (a - STACK), from, n);
    from += n;
  }
}

static void take_windows(const struct record *in, struct record *out) {
  uint8_t *to = out->memory;
  for (int i = 0; i < WINDOWS && in->u.window[i].length; i++) {
    uint32_t a = in->u.window[i].address, n = in->u.window[i].length;
    uint8_t *at = a - DATA < AREA ? data + (a - DATA) : stack + (a - STACK);
    copy(to, at, n);
    fill(at, 0, n);
    to += n;
  }
}

static void set_segments(void) {
  __asm__ volatile("mov %0, %%ds; mov %0, %%es; mov %0, %%fs; mov %0, %%gs" : : "r"(0));
  call(SYS_arch_prctl, ARCH_SET_FS, DATA, 0, 0, 0, 0);
  call(SYS_arch_prctl, ARCH_SET_GS, STACK, 0, 0, 0, 0);
  if (fsgsbase) __asm__ volatile("wrfsbase %0; wrgsbase %1" : : "r"((uint64_t)DATA), "r"((uint64_t)STACK));
}

/* The XSAVE image: legacy region, XMM at 160, header at 512, upper halves at 576. */
static void image_of(const struct record *in) {
  uint8_t *x = (uint8_t *)C->in;
  *(uint16_t *)x = in->fcw;
  *(uint16_t *)(x + 2) = in->fsw;
  *(uint16_t *)(x + 4) = in->ftw & 0xff;
  *(uint32_t *)(x + 24) = in->mxcsr;
  int top = (in->fsw >> 11) & 7;
  for (int i = 0; i < 8; i++) __builtin_memcpy(x + 32 + 16 * i, in->st[(top + i) & 7], 16);
  for (int i = 0; i < 16; i++) __builtin_memcpy(x + 160 + 16 * i, in->ymm[i], 16), __builtin_memcpy(x + 576 + 16 * i, in->ymm[i] + 16, 16);
  *(uint64_t *)(x + 512) = 7;
}

static void outcome_of(struct record *out) {
  const uint8_t *x = (const uint8_t *)C->out;
  uint64_t present = *(const uint64_t *)(x + 512);
  static const uint8_t zero[16];
  out->fcw = present & 1 ? *(const uint16_t *)x : 0x37f;
  out->fsw = present & 1 ? *(const uint16_t *)(x + 2) : 0;
  out->ftw = present & 1 ? x[4] : 0;
  out->fop = 0;
  out->mxcsr = *(const uint32_t *)(x + 24);
  int top = (out->fsw >> 11) & 7;
  for (int i = 0; i < 8; i++) {
    uint8_t *st = out->st[(top + i) & 7];
    __builtin_memcpy(st, present & 1 ? x + 32 + 16 * i : zero, 16);
    __builtin_memset(st + 10, 0, 6);
  }
  for (int i = 0; i < 16; i++) {
    __builtin_memcpy(out->ymm[i], present & 2 ? x + 160 + 16 * i : zero, 16);
    __builtin_memcpy(out->ymm[i] + 16, present & 4 ? x + 576 + 16 * i : zero, 16);
  }
}

static void run(const struct record *in, struct record *out) {
  put_windows(in);
  image_of(in);
  for (int i = 0; i < 16; i++) C->registers[i] = in->registers[i];
  C->rip = in->rip;
  C->flags = in->flags;
  vector = ENDED;
  error_code = 0;
  cr2 = 0;
  inside = 1;
  enter();
  inside = 0;
  for (int i = 0; i < 16; i++) out->registers[i] = C->registers[i];
  out->rip = vector == ENDED ? EXIT : C->rip;
  out->flags = (uint32_t)C->flags;
  out->length = vector;
  out->what = (uint32_t)error_code;
  out->u.outcome.cr2 = vector == 14 ? cr2 : 0;
  out->u.outcome.fs_base = DATA;
  out->u.outcome.gs_base = STACK;
  outcome_of(out);
  if (in->what & SEGMENTS) {
    if (fsgsbase)
      __asm__ volatile("rdfsbase %0; rdgsbase %1" : "=r"(out->u.outcome.fs_base), "=r"(out->u.outcome.gs_base));
    else {
      call(SYS_arch_prctl, ARCH_GET_FS, (long)&out->u.outcome.fs_base, 0, 0, 0, 0);
      call(SYS_arch_prctl, ARCH_GET_GS, (long)&out->u.outcome.gs_base, 0, 0, 0, 0);
    }
    set_segments();
  }
  take_windows(in, out);
}

/* Of all that cases can write, which is zero again afterwards. */
static uint32_t hash_memory(void) {
  uint32_t hash = 0;
  for (uint32_t k = 0; k < AREA; k += 4) {
    if (k - MISSING < AFTER - MISSING) continue;
    uint32_t d = *(uint32_t *)(data + k), s = *(uint32_t *)(stack + k);
    if (d) hash = (hash ^ d) * 0x01000193 + k;
    if (s) hash = (hash ^ s) * 0x01000193 + k + 1;
  }
  if (hash) fill(data, 0, AREA), fill(stack, 0, AREA);
  return hash;
}

static uint8_t *area(uintptr_t address, uint32_t length) {
  int memory = memfd_create("guest", 0);
  if (memory < 0 || ftruncate(memory, length) != 0) finish(2);
  uint8_t *view = mmap(0, length, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, memory, 0);
  void *where = mmap((void *)address, length, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED_NOREPLACE | MAP_POPULATE, memory, 0);
  if (where != (void *)address || view == MAP_FAILED) finish(2);
  mprotect((void *)(address + READ_ONLY), 0x1000, PROT_READ);
  munmap((void *)(address + MISSING), 0x1000);
  return view;
}

static void *pages(uintptr_t address, uint32_t length, int protection) {
  void *where = mmap((void *)address, length, protection, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE | MAP_POPULATE, -1, 0);
  if (where != (void *)address) finish(2);
  mlock(where, length);
  return where;
}


/* Whether an instruction can be executed at all: CPUID may hide it, or not say what the kernel allows. */
static int executes(const char *code, int length) {
  copy((void *)(uintptr_t)CODE, code, length);
  *(uint8_t *)(uintptr_t)(CODE + length) = 0xe9;
  *(int32_t *)(uintptr_t)(CODE + length + 1) = EXIT - (CODE + length + 5);
  C->rip = CODE;
  C->flags = 0x202;
  for (int i = 0; i < 16; i++) C->registers[i] = DATA + 0x400;
  C->registers[4] = STACK + 0x800;
  vector = ENDED;
  inside = 1;
  enter();
  inside = 0;
  fill((void *)(uintptr_t)CODE, 0xf4, 64);
  return vector != 6;
}

struct probe { uint32_t length; char code[12]; };

int main(int count, char **arguments) {
  if (count != 2) return 2;
  int file = open(arguments[1], O_RDWR);
  uint8_t *shared = mmap(0, 4ul * BATCH * RECORD, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, file, 0);
  if (shared == MAP_FAILED) return 2;
  for (int i = 0; i < 2; i++) {
    inputs[i] = (struct record *)(shared + (uint64_t)i * BATCH * RECORD);
    outputs[i] = (struct record *)(shared + (uint64_t)(2 + i) * BATCH * RECORD);
  }
  data = area(DATA, AREA);
  stack = area(STACK, AREA);
  fill(pages(CODE, CODE_BYTES, PROT_READ | PROT_WRITE | PROT_EXEC), 0xf4, CODE_BYTES);
  pages(CONTROL, 0x3000, PROT_READ | PROT_WRITE);
  copy(pages(EXIT, 0x1000, PROT_READ | PROT_WRITE | PROT_EXEC), (const void *)leave, (uint64_t)(leave_end - (char *)leave));
  mprotect((void *)(uintptr_t)EXIT, 0x1000, PROT_READ | PROT_EXEC);
  C->after = (uint64_t)(uintptr_t)after;
  *(uint16_t *)C->in = 0x37f;
  *(uint32_t *)(C->in + 24) = 0x1f80;
  static uint8_t alternate_stack[65536] __attribute__((aligned(64)));
  stack_t alternate = {.ss_sp = alternate_stack, .ss_size = sizeof alternate_stack};
  sigaltstack(&alternate, 0);
  static const int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP, SIGVTALRM};
  struct sigaction action = {.sa_sigaction = caught, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
  for (unsigned i = 0; i < sizeof signals / sizeof *signals; i++) sigaction(signals[i], &action, 0);
  struct itimerval timer = {.it_interval = {.tv_usec = 20000}, .it_value = {.tv_usec = 20000}};
  setitimer(ITIMER_VIRTUAL, &timer, 0);
  static const char rdfsbase[] = "\xf3\x48\x0f\xae\xc0";
  fsgsbase = executes(rdfsbase, 5);
  set_segments();
  for (;;) {
    uint32_t command[2], answer[2];
    if (call(SYS_read, 0, (long)command, 8, 0, 0, 0) != 8) finish(0);
    if (command[0] == 2) {
      /* Probes: what can be executed. */
      struct probe *probes = (struct probe *)inputs[0];
      for (uint32_t i = 0; i < command[1]; i++) probes[i].length = (uint32_t)executes(probes[i].code, (int)probes[i].length);
      copy(outputs[0], probes, command[1] * sizeof *probes);
      answer[0] = answer[1] = 0;
      call(SYS_write, 1, (long)answer, 8, 0, 0, 0);
      set_segments();
      continue;
    }
    const struct record *in = inputs[command[0] & 1];
    struct record *out = outputs[command[0] & 1];
    uint32_t cases = command[1];
    /* All code first, where it is fetched from: no case waits for the processor to notice. */
    for (uint32_t i = 0; i < cases; i++) copy((void *)(uintptr_t)in[i].rip, in[i].code, in[i].length);
    answer[1] = 0;
    for (uint32_t i = 0; i < cases; i++) {
      current++;
      run(in + i, out + i);
      if (out[i].length == ENDLESS) answer[1]++;
    }
    for (uint32_t i = 0; i < cases; i++) fill((void *)(uintptr_t)in[i].rip, 0xf4, in[i].length);
    answer[0] = hash_memory();
    call(SYS_write, 1, (long)answer, 8, 0, 0, 0);
  }
}
