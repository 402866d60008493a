/* What the kernel and the user program share: integer types, text without a C library, the system calls, the user address space. */
#pragma once

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;
typedef unsigned long u64;

#define PAGE 4096ul

/* System calls: number in rax, arguments in rdi and rsi, result in rax. */
#define SYS_PRINT 1 /* (text, length): waits for this process's turn, prints a line, passes the turn on */
#define SYS_SLEEP 2 /* (ticks) */
#define SYS_EXIT 3

/* The user half of every address space, 1 GiB to 2 GiB: program (read, execute), clock page (read), data and stack (on demand). */
#define USER_CODE_AT 0x40000000ul
#define USER_CLOCK_AT 0x40080000ul
#define USER_DATA_AT 0x40100000ul
#define USER_STACK_TOP 0x40400000ul

#define PROCESSES 3
#define ROUNDS 3

/* The clock page: one frame, mapped read-only in every address space, written by the kernel. */
struct clock_page {
  volatile u32 ticks;
  /* Timer interrupts that found process i running in ring 3. */
  volatile u32 interrupted[PROCESSES];
};

static inline char *put_text(char *to, const char *text) {
  while (*text) *to++ = *text++;
  return to;
}

static inline char *put_number(char *to, u64 value, u32 base, int digits) {
  char reversed[20];
  int n = 0;
  do {
    reversed[n++] = "0123456789abcdef"[value % base];
    value /= base;
  } while (value || n < digits);
  while (n) *to++ = reversed[--n];
  return to;
}
