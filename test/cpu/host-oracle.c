/*
 * Runs short pieces of guest code on this machine's processor: the oracle of host.test.ts.
 *
 * host-oracle IN OUT. IN is one page of header (struct header), then one record of each case (struct input, code, contents of the windows);
 * OUT gets one record of each (struct output, contents of the windows) and one u32: an address outside the windows that was changed, or 0.
 *
 * Every case is entered and left through a signal frame. The code pages are full of HLT, so code ends in a fault wherever it goes; the handler
 * takes the outcome from the frame's registers, puts the next case in their place and returns. CS and SS come from the frame too, which is how
 * 32-bit code (the kernel's compatibility segments) and 16-bit code (the LDT) are run, where the kernel has them. FS and GS belong to the cases: nothing here may use thread-local
 * storage once the first case runs.
 */
#define _GNU_SOURCE
#include <asm/ldt.h>
#include <asm/prctl.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

enum { MAPS = 16, WINDOWS = 24, ENTRIES = 8, REGISTERS = 16, PATIENCE = 10 };

struct header {
  uint32_t magic, cases, input_size, output_size, code_room, maps, windows, entries, check_each;
  uint32_t cs, ss, ds, es, fs, gs, fs_base, gs_base;
  struct { uint32_t address, length, protection; } map[MAPS];
  struct { uint32_t address, length; } window[WINDOWS];
  struct { uint32_t number, base, limit, bits; } entry[ENTRIES];
};

struct input {
  uint64_t registers[REGISTERS], rip;
  uint32_t flags, code_length, code_at, reserved;
  uint8_t code[];
};

struct output {
  uint64_t registers[REGISTERS], rip;
  uint32_t flags, vector, error, stray;
  uint64_t cr2;
  uint8_t windows[];
};

/* Exit statuses that host-oracle.ts knows. */
enum { BAD_FILES = 2, NO_SEGMENTS = 3, NO_MEMORY = 4 };

/* Registers of the frame in the order of their numbers. */
static const int ORDER[REGISTERS] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                                     REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};

static const struct header *header;
static const uint8_t *input;
static uint8_t *output;
static uint32_t done;
static int loaded, started;
/* A writable view of every map, at addresses that are not theirs. */
static uint8_t *view[MAPS];

static void finish(int status) {
  for (;;) syscall(SYS_exit_group, status);
}

/* Code is written where it is fetched: through another address it would take a serializing instruction (SDM vol. 3, 8.1.3), which not every way out
   of a kernel has. */
static uint8_t *at(uint32_t address) {
  for (uint32_t i = 0; i < header->maps; i++)
    if (address - header->map[i].address < header->map[i].length)
      return header->map[i].protection & PROT_WRITE ? (uint8_t *)(uintptr_t)address : view[i] + (address - header->map[i].address);
  finish(BAD_FILES);
  return 0;
}

static void copy(uint8_t *to, const uint8_t *from, uint32_t length) {
  __asm__ volatile("rep movsb" : "+D"(to), "+S"(from), "+c"(length) : : "memory");
}

static uint8_t background(uint32_t address, int executable) {
  return executable ? 0xf4 : (uint8_t)((address * 0x9e3779b1u) >> 24);
}

static int executable(uint32_t map) { return (header->map[map].protection & PROT_EXEC) != 0; }

static int in_window(uint32_t address) {
  for (uint32_t i = 0; i < header->windows; i++)
    if (address - header->window[i].address < header->window[i].length) return 1;
  return 0;
}

/* An address that does not hold its background, or 0. */
static uint32_t stray(void) {
  for (uint32_t i = 0; i < header->maps; i++)
    for (uint32_t k = 0; k < header->map[i].length; k++) {
      uint32_t address = header->map[i].address + k;
      if (view[i][k] != background(address, executable(i)) && !in_window(address)) return address;
    }
  return 0;
}

static const struct input *record(uint32_t index) { return (const struct input *)(input + (uint64_t)index * header->input_size); }

static void put_windows(const uint8_t *from) {
  for (uint32_t i = 0; i < header->windows; i++) {
    copy(at(header->window[i].address), from, header->window[i].length);
    from += header->window[i].length;
  }
}

static void enter(greg_t *registers) {
  const struct input *in = record(done);
  for (int i = 0; i < REGISTERS; i++) registers[ORDER[i]] = (greg_t)in->registers[i];
  registers[REG_RIP] = (greg_t)in->rip;
  registers[REG_EFL] = in->flags;
  registers[REG_CSGSFS] = (greg_t)(((uint64_t)header->ss << 48) | ((uint64_t)registers[REG_CSGSFS] & 0xffffffff0000) | header->cs);
  copy(at(in->code_at), in->code, in->code_length);
  put_windows(in->code + header->code_room);
}

static void leave(const greg_t *registers) {
  const struct input *in = record(done);
  struct output *out = (struct output *)(output + (uint64_t)done * header->output_size);
  for (int i = 0; i < REGISTERS; i++) out->registers[i] = (uint64_t)registers[ORDER[i]];
  out->rip = (uint64_t)registers[REG_RIP];
  out->flags = (uint32_t)registers[REG_EFL];
  out->vector = (uint32_t)registers[REG_TRAPNO];
  out->error = (uint32_t)registers[REG_ERR];
  out->cr2 = (uint64_t)registers[REG_CR2];
  uint8_t *to = out->windows;
  for (uint32_t i = 0; i < header->windows; i++) {
    copy(to, at(header->window[i].address), header->window[i].length);
    to += header->window[i].length;
  }
  for (uint32_t i = 0; i < in->code_length; i++) at(in->code_at)[i] = 0xf4;
  out->stray = header->check_each ? stray() : 0;
}

static void caught(int number, siginfo_t *info, void *context) {
  /* The kernel clears DF for a handler, but leaves AC, NT and ID, which no frame would clear. */
  __asm__ volatile("pushfq; andl $~0x244000, (%%rsp); popfq" : : : "memory", "cc");
  (void)number, (void)info;
  greg_t *registers = ((ucontext_t *)context)->uc_mcontext.gregs;
  /* Some kernels take the descriptors and have no LDT. */
  if (!loaded) finish(NO_SEGMENTS);
  if (started) {
    leave(registers);
    done++;
  }
  started = 1;
  if (done == header->cases) {
    uint8_t *trailer = output + (uint64_t)done * header->output_size;
    *(uint32_t *)trailer = stray();
    finish(0);
  }
  enter(registers);
}

static void *map_file(const char *name, uint64_t length, int write) {
  int file = open(name, write ? O_RDWR | O_CREAT | O_TRUNC : O_RDONLY, 0600);
  struct stat status;
  if (file < 0 || fstat(file, &status) != 0) finish(BAD_FILES);
  if (write && ftruncate(file, (off_t)length) != 0) finish(BAD_FILES);
  void *where = mmap(0, write ? length : (uint64_t)status.st_size, write ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED | MAP_POPULATE, file, 0);
  if (where == MAP_FAILED) finish(BAD_FILES);
  return where;
}

/* Under a hypervisor a page's first write may begin its instruction again: ENTER reads what it has written itself. */
static void touch(volatile uint8_t *page, uint32_t length) {
  for (uint32_t k = 0; k < length; k += 4096) page[k] = page[k];
}

static void map_memory(void) {
  for (uint32_t i = 0; i < header->maps; i++) {
    uint32_t length = header->map[i].length;
    int memory = memfd_create("guest", 0);
    if (memory < 0 || ftruncate(memory, length) != 0) finish(NO_MEMORY);
    view[i] = mmap(0, length, PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
    if (view[i] == MAP_FAILED) finish(NO_MEMORY);
    for (uint32_t k = 0; k < length; k++) view[i][k] = background(header->map[i].address + k, executable(i));
    void *where = (void *)(uintptr_t)header->map[i].address;
    if (mmap(where, length, (int)header->map[i].protection, MAP_SHARED | MAP_FIXED_NOREPLACE | MAP_POPULATE, memory, 0) != where) finish(NO_MEMORY);
    mlock(where, length);
    if (header->map[i].protection & PROT_WRITE) touch(where, length);
    close(memory);
  }
}

static void set_descriptors(void) {
  for (uint32_t i = 0; i < header->entries; i++) {
    uint32_t bits = header->entry[i].bits;
    struct user_desc d = {.entry_number = header->entry[i].number, .base_addr = header->entry[i].base, .limit = header->entry[i].limit};
    d.seg_32bit = bits & 1;
    d.contents = (bits >> 1) & 3;
    d.read_exec_only = (bits >> 3) & 1;
    d.limit_in_pages = (bits >> 4) & 1;
    d.useable = 1;
    if (syscall(SYS_modify_ldt, 1, &d, sizeof d) != 0) finish(NO_SEGMENTS);
  }
}

int main(int count, char **arguments) {
  if (count != 3) return BAD_FILES;
  header = map_file(arguments[1], 0, 0);
  if (header->magic != 0x314f484c || header->cases == 0) return BAD_FILES;
  input = (const uint8_t *)header + 4096;
  output = map_file(arguments[2], (uint64_t)header->cases * header->output_size + 8, 1);
  map_memory();
  set_descriptors();
  static uint8_t stack[65536] __attribute__((aligned(64)));
  stack_t alternate = {.ss_sp = stack, .ss_size = sizeof stack};
  sigaltstack(&alternate, 0);
  static const int signals[] = {SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP};
  struct sigaction action = {.sa_sigaction = caught, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
  for (unsigned i = 0; i < sizeof signals / sizeof *signals; i++) sigaction(signals[i], &action, 0);
  /* Code that loops for ever: the kernel ends the process after so many seconds of processor time. A batch takes less than one. */
  setrlimit(RLIMIT_CPU, &(struct rlimit){PATIENCE, PATIENCE + 1});
  __asm__ volatile("mov %0, %%ds; mov %1, %%es; mov %2, %%fs; mov %3, %%gs"
                   :
                   : "r"(header->ds), "r"(header->es), "r"(header->fs), "r"(header->gs)
                   : "memory");
  /* Null selectors have the bases that the kernel gives them. */
  if (header->fs == 0) syscall(SYS_arch_prctl, ARCH_SET_FS, (unsigned long)header->fs_base);
  if (header->gs == 0) syscall(SYS_arch_prctl, ARCH_SET_GS, (unsigned long)header->gs_base);
  loaded = 1;
  __asm__ volatile("hlt" : : : "memory");
  return BAD_FILES;
}
