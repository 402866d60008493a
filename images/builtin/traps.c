/* Interrupts and exceptions: IDT, TSS, the SYSCALL registers, and where each vector goes. SDM vol. 3, chapters 6 to 8. */
#include "kernel.h"

struct gate {
  u16 offset0, selector, flags, offset1;
  u32 offset2, reserved;
};
#define INTERRUPT_GATE 0x8e00
#define USER_GATE 0xee00

struct tss {
  u32 reserved0;
  u64 rsp[3], reserved1, ist[7], reserved2;
  u16 reserved3, io_map;
} __attribute__((packed));

#define MSR_STAR 0xc0000081
#define MSR_LSTAR 0xc0000082
#define MSR_FMASK 0xc0000084
/* TF, IF, DF and AC are clear in the kernel. */
#define FMASK 0x40700

extern u64 gdt[], trap_stubs[], trap_stub_spurious[];
extern u8 syscall_entry[];
void provoke_de(void), provoke_bp(void), provoke_ud(void), provoke_gp(void), provoke_pf(void);

static struct gate idt[256];
static struct tss tss;
static u8 fault_stack[PAGE] __attribute__((aligned(16)));

/* Non-zero while the kernel provokes a fault: the vector comes back here. */
static volatile int provoking;
static volatile u64 provoked, provoked_error;

static const char *const NAMES[] = {"#DE", "#DB", "NMI", "#BP", "#OF", "#BR", "#UD", "#NM", "#DF", "09h", "#TS",
                                      "#NP", "#SS", "#GP", "#PF", "0Fh", "#MF", "#AC", "#MC", "#XM", "#VE"};

static const char *vector_name(u64 vector) { return vector < sizeof NAMES / sizeof *NAMES ? NAMES[vector] : "reserved vector"; }

static void set_gate(u32 vector, u64 handler, u16 flags) {
  idt[vector] = (struct gate){handler & 0xffff, KERNEL_CODE, flags, handler >> 16 & 0xffff, handler >> 32, 0};
}

void set_kernel_stack(u64 top) {
  tss.rsp[0] = top;
  kernel_rsp = top;
}

void traps_init(void) {
  for (u32 i = 0; i < 48; i++) set_gate(i, trap_stubs[i], i == 3 ? USER_GATE : INTERRUPT_GATE);
  set_gate(VECTOR_SPURIOUS, trap_stub_spurious[0], INTERRUPT_GATE);
  /* A double fault runs on a stack of its own. */
  tss.ist[0] = (u64)fault_stack + sizeof fault_stack;
  idt[8].flags |= 1;
  tss.io_map = sizeof tss;
  u64 base = (u64)&tss;
  gdt[TSS_SELECTOR / 8] = (sizeof tss - 1) | (base & 0xffffff) << 16 | 0x89ul << 40 | (base >> 24 & 0xff) << 56;
  gdt[TSS_SELECTOR / 8 + 1] = base >> 32;

  struct {
    u16 limit;
    u64 base;
  } __attribute__((packed)) pointer = {sizeof idt - 1, (u64)idt};
  __asm__ volatile("lidt %0" ::"m"(pointer));
  __asm__ volatile("ltr %w0" ::"r"(TSS_SELECTOR));

  wrmsr(MSR_STAR, (u64)KERNEL_DATA << 48 | (u64)KERNEL_CODE << 32);
  wrmsr(MSR_LSTAR, (u64)syscall_entry);
  wrmsr(MSR_FMASK, FMASK);
}

void exceptions_check(void) {
  static void (*const tests[])(void) = {provoke_de, provoke_bp, provoke_ud, provoke_gp, provoke_pf};
  print("exceptions:");
  for (u32 i = 0; i < sizeof tests / sizeof *tests; i++) {
    provoking = 1;
    tests[i]();
    print(" %s", vector_name(provoked));
    if (provoked == VECTOR_PAGE_FAULT) print(" at %x, error %u", read_cr2(), provoked_error);
  }
  print(", all recovered\n");
}

static void die(struct frame *f) {
  print("kernel fault %s, error %x at rip %x, cr2 %x\n", vector_name(f->vector), f->error, f->rip, read_cr2());
  power_off();
  for (;;) __asm__ volatile("cli; hlt");
}

static struct frame *exception(struct frame *f) {
  if ((f->cs & 3) == 0) {
    if (!provoking) die(f);
    /* Return from the provoking function: its return address is on top of the stack, whether the vector is a fault or a trap. */
    provoking = 0;
    provoked = f->vector;
    provoked_error = f->error;
    f->rip = *(u64 *)f->rsp;
    f->rsp += 8;
    return f;
  }
  return f->vector == VECTOR_PAGE_FAULT ? process_page_fault(f, read_cr2()) : process_fault(f);
}

/* Called by every stub; the frame that it returns is resumed. */
struct frame *trap(struct frame *f) {
  if (f->vector == VECTOR_SYSCALL) return process_syscall(f);
  if (f->vector == VECTOR_TIMER) return process_timer(f);
  if (f->vector < 32) return exception(f);
  return f;
}
