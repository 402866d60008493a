/* The kernel's parts and what they offer each other. */
#pragma once
#include "types.h"

/* What is saved on every entry; trap.S builds it. */
struct frame {
  u64 r15, r14, r13, r12, r11, r10, r9, r8, rbp, rdi, rsi, rdx, rcx, rbx, rax;
  u64 vector, error;
  u64 rip, cs, rflags, rsp, ss;
};

#define KERNEL_CODE 0x08
#define KERNEL_DATA 0x10
#define USER_DATA 0x1b
#define USER_CODE 0x23
#define TSS_SELECTOR 0x28
#define RFLAGS_IF 0x200

#define VECTOR_PAGE_FAULT 14
#define VECTOR_TIMER 0x20
#define VECTOR_SPURIOUS 0xff
#define VECTOR_SYSCALL 0x100

/* console.c */
void console_init(void);
void print(const char *format, ...); /* %s, %u (u64, decimal), %x (u64, hexadecimal), %c */
void print_bytes(const char *text, u64 length);

/* boot.c: what the loader handed over. */
struct range {
  u64 base, length;
};
#define MAX_RANGES 16
struct boot {
  const char *protocol;
  char command_line[128];
  struct range ram[MAX_RANGES];
  u32 ranges;
  u64 rsdp;
};
extern struct boot boot;
void boot_read(u64 protocol, u64 info);

/* acpi.c */
void acpi_init(u64 rsdp);
void power_off(void);

/* memory.c */
void memory_init(void);
void *new_frame(void);
u64 new_space(void);
/* flags: MAP_* */
#define MAP_WRITE 1
#define MAP_EXECUTE 2
void map_user(u64 space, u64 address, void *frame, u32 flags);

/* apic.c */
void apic_init(void);
void timer_start(u32 hertz);
void apic_eoi(void);

/* traps.c */
void traps_init(void);
void set_kernel_stack(u64 top);
void exceptions_check(void);
struct frame *trap(struct frame *f);
extern u64 kernel_rsp;
void resume(struct frame *f) __attribute__((noreturn));

/* process.c */
void processes_start(void) __attribute__((noreturn));
struct frame *process_syscall(struct frame *f);
struct frame *process_timer(struct frame *f);
struct frame *process_page_fault(struct frame *f, u64 address);
struct frame *process_fault(struct frame *f);

static inline void outb(u16 port, u8 value) { __asm__ volatile("outb %0, %1" ::"a"(value), "Nd"(port)); }
static inline void outw(u16 port, u16 value) { __asm__ volatile("outw %0, %1" ::"a"(value), "Nd"(port)); }
static inline u8 inb(u16 port) {
  u8 value;
  __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
  return value;
}

static inline void wrmsr(u32 index, u64 value) {
  __asm__ volatile("wrmsr" ::"c"(index), "a"((u32)value), "d"((u32)(value >> 32)));
}
static inline u64 rdmsr(u32 index) {
  u32 low, high;
  __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(index));
  return (u64)high << 32 | low;
}
static inline void cpuid(u32 leaf, u32 out[4]) {
  __asm__ volatile("cpuid" : "=a"(out[0]), "=b"(out[1]), "=c"(out[2]), "=d"(out[3]) : "a"(leaf), "c"(0));
}
static inline u64 read_cr2(void) {
  u64 value;
  __asm__ volatile("movq %%cr2, %0" : "=r"(value));
  return value;
}
static inline u64 read_cr3(void) {
  u64 value;
  __asm__ volatile("movq %%cr3, %0" : "=r"(value));
  return value;
}
static inline void write_cr3(u64 value) { __asm__ volatile("movq %0, %%cr3" ::"r"(value) : "memory"); }

static inline u32 read32(u64 address) { return *(volatile u32 *)address; }
static inline void write32(u64 address, u32 value) { *(volatile u32 *)address = value; }

void *memset(void *to, int value, u64 bytes);
void *memcpy(void *to, const void *from, u64 bytes);
