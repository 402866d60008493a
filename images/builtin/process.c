/*
 * Three processes in three address spaces take turns: round robin, one tick each, preempted by the timer; HLT when none can run.
 *
 * Their lines are printed in a fixed order (SYS_PRINT waits for its turn), so that the log is the same however fast the machine is.
 */
#include "kernel.h"

enum state { RUNNABLE, WAITING, SLEEPING, DEAD };

struct process {
  struct frame *frame;
  u64 space;
  enum state state;
  u32 wake_at;
  u32 page_faults;
  u8 stack[8192] __attribute__((aligned(16)));
};

#define NO_PROCESS (-1)
#define HERTZ 1000

extern u8 user_image[], user_image_end[];
extern void idle_loop(void);

static struct process processes[PROCESSES];
static int current = NO_PROCESS;
static int turn;
static struct clock_page *clock;
static u8 idle_stack[1024] __attribute__((aligned(16)));
static struct frame idle;
static u32 idle_ticks;

static char name(int i) { return (char)('A' + i); }

static void create(int i) {
  struct process *p = &processes[i];
  p->space = new_space();
  for (u8 *at = user_image; at < user_image_end; at += PAGE) {
    u8 *frame = new_frame();
    memcpy(frame, at, user_image_end - at < (long)PAGE ? (u64)(user_image_end - at) : PAGE);
    map_user(p->space, USER_CODE_AT + (at - user_image), frame, MAP_EXECUTE);
  }
  map_user(p->space, USER_CLOCK_AT, clock, 0);
  p->frame = (struct frame *)(p->stack + sizeof p->stack) - 1;
  *p->frame = (struct frame){
      .rdi = i, .rip = USER_CODE_AT, .cs = USER_CODE, .rflags = RFLAGS_IF, .rsp = USER_STACK_TOP - 8, .ss = USER_DATA};
}

static void finish(void) {
  u32 faults = 0, ticks = 0;
  for (int i = 0; i < PROCESSES; i++) {
    faults += processes[i].page_faults;
    ticks += clock->interrupted[i] >= ROUNDS;
  }
  print("%u address spaces, all preempted in ring 3: %s; %u pages on demand; idle between: %s\n", (u64)PROCESSES,
        ticks == PROCESSES ? "yes" : "no", (u64)faults, idle_ticks ? "yes" : "no");
  print("BOOT-OK\n");
  power_off();
  for (;;) __asm__ volatile("cli; hlt");
}

/* The next process that can run, starting behind the current one; the idle loop when there is none. */
static struct frame *schedule(void) {
  int alive = 0;
  for (int n = 1; n <= PROCESSES; n++) {
    int i = (current + n + PROCESSES) % PROCESSES;
    struct process *p = &processes[i];
    alive += p->state != DEAD;
    if (p->state != RUNNABLE) continue;
    current = i;
    if (read_cr3() != p->space) write_cr3(p->space);
    set_kernel_stack((u64)(p->stack + sizeof p->stack));
    return p->frame;
  }
  if (!alive) finish();
  idle = (struct frame){
      .rip = (u64)idle_loop, .cs = KERNEL_CODE, .rflags = RFLAGS_IF, .rsp = (u64)(idle_stack + sizeof idle_stack), .ss = KERNEL_DATA};
  return &idle;
}

static void pass_turn(void) {
  for (int n = 1; n <= PROCESSES; n++) {
    turn = (turn + 1) % PROCESSES;
    if (processes[turn].state != DEAD) break;
  }
  if (processes[turn].state == WAITING) processes[turn].state = RUNNABLE;
}

static struct frame *end(void) {
  processes[current].state = DEAD;
  if (turn == current) pass_turn();
  return schedule();
}

struct frame *process_syscall(struct frame *f) {
  struct process *p = &processes[current];
  p->frame = f;
  switch (f->rax) {
    case SYS_PRINT:
      if (turn != current) {
        /* Runs the SYSCALL instruction (2 bytes) again when the turn comes; SYSRET takes rip from rcx. */
        p->state = WAITING;
        f->rip = f->rcx -= 2;
        return schedule();
      }
      /* The text is in the caller's address space, which is the current one. */
      if (f->rdi >= USER_CODE_AT && f->rdi < USER_STACK_TOP && f->rsi < 256 && f->rdi + f->rsi <= USER_STACK_TOP) {
        print("%c: ", (u64)name(current));
        print_bytes((const char *)f->rdi, f->rsi);
        print("\n");
      }
      pass_turn();
      f->rax = 0;
      return f;
    case SYS_SLEEP:
      p->wake_at = clock->ticks + f->rdi;
      p->state = SLEEPING;
      f->rax = 0;
      return schedule();
    case SYS_EXIT: return end();
    default: f->rax = ~0ul; return f;
  }
}

struct frame *process_timer(struct frame *f) {
  apic_eoi();
  clock->ticks++;
  for (int i = 0; i < PROCESSES; i++) {
    struct process *p = &processes[i];
    if (p->state == SLEEPING && (int)(clock->ticks - p->wake_at) >= 0) p->state = RUNNABLE;
  }
  if ((f->cs & 3) == 3) {
    clock->interrupted[current]++;
    processes[current].frame = f;
  } else {
    idle_ticks++;
  }
  return schedule();
}

struct frame *process_fault(struct frame *f) {
  print("%c: exception %u at %x: ended\n", (u64)name(current), f->vector, f->rip);
  return end();
}

/* Data and stack appear when they are touched; everything else ends the process. */
struct frame *process_page_fault(struct frame *f, u64 address) {
  struct process *p = &processes[current];
  if (address >= USER_DATA_AT && address < USER_STACK_TOP && !(f->error & 1)) {
    p->page_faults++;
    map_user(p->space, address & ~(PAGE - 1), new_frame(), MAP_WRITE);
    return f;
  }
  print("%c: page fault at %x, error %u: ended\n", (u64)name(current), address, f->error);
  return end();
}

void processes_start(void) {
  clock = new_frame();
  for (int i = 0; i < PROCESSES; i++) create(i);
  timer_start(HERTZ);
  resume(schedule());
}
