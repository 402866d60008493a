/*
 * The program that runs in each address space: some work, a line about it, a nap; three rounds. All three use the same addresses, so a
 * leak from one space to another would show in the results.
 */
#include "types.h"

#define CLOCK ((const struct clock_page *)USER_CLOCK_AT)
#define SIEVE 60000u
#define BYTES 65536u
#define NUMBERS 16384u

static union {
  u8 bytes[BYTES];
  u32 numbers[NUMBERS];
} work;
static u64 owner;

static u64 syscall(u64 number, u64 a, u64 b) {
  u64 result;
  __asm__ volatile("syscall" : "=a"(result) : "a"(number), "D"(a), "S"(b) : "rcx", "r11", "memory");
  return result;
}

/* Numerical Recipes' generator: the same numbers everywhere. */
static u32 random_state;
static u32 next_random(void) { return random_state = random_state * 1664525u + 1013904223u; }

static u32 count_primes(u32 below) {
  u32 primes = 0;
  for (u32 i = 0; i < below; i++) work.bytes[i] = 1;
  for (u32 i = 2; i < below; i++) {
    if (!work.bytes[i]) continue;
    primes++;
    for (u32 j = i + i; j < below; j += i) work.bytes[j] = 0;
  }
  return primes;
}

/* CRC-32 of IEEE 802.3, a bit at a time. */
static u32 checksum(u32 length) {
  u32 crc = ~0u;
  for (u32 i = 0; i < length; i++) {
    crc ^= work.bytes[i] = (u8)(next_random() >> 24);
    for (int bit = 0; bit < 8; bit++) crc = crc >> 1 ^ (crc & 1 ? 0xedb88320u : 0);
  }
  return ~crc;
}

static void sift_down(u32 root, u32 end) {
  for (;;) {
    u32 child = 2 * root + 1;
    if (child >= end) return;
    if (child + 1 < end && work.numbers[child] < work.numbers[child + 1]) child++;
    if (work.numbers[root] >= work.numbers[child]) return;
    u32 swap = work.numbers[root];
    work.numbers[root] = work.numbers[child];
    work.numbers[child] = swap;
    root = child;
  }
}

/* Heap sort; the median. */
static u32 sort(u32 count) {
  for (u32 i = 0; i < count; i++) work.numbers[i] = next_random();
  for (u32 i = count / 2; i-- > 0;) sift_down(i, count);
  for (u32 end = count; end-- > 1;) {
    u32 swap = work.numbers[0];
    work.numbers[0] = work.numbers[end];
    work.numbers[end] = swap;
    sift_down(0, end);
  }
  return work.numbers[count / 2];
}

static char *do_work(u64 id, u32 round, char *to) {
  switch (id) {
    case 0: {
      u32 below = SIEVE / ROUNDS * round;
      to = put_number(to, count_primes(below), 10, 1);
      return put_number(put_text(to, " primes below "), below, 10, 1);
    }
    case 1: {
      u32 length = BYTES >> (ROUNDS - round);
      to = put_number(put_text(to, "crc32 "), checksum(length), 16, 8);
      return put_text(put_number(put_text(to, " of "), length, 10, 1), " bytes");
    }
    default: {
      u32 count = NUMBERS >> (ROUNDS - round);
      to = put_number(put_text(to, "median "), sort(count), 10, 1);
      return put_text(put_number(put_text(to, " of "), count, 10, 1), " numbers");
    }
  }
}

__attribute__((section(".text.first"), noreturn)) void user_start(u64 id) {
  owner = id;
  random_state = (u32)id;
  for (u32 round = 1; round <= ROUNDS; round++) {
    char line[80];
    char *end = do_work(id, round, line);
    /* However fast the machine: not before the timer has taken the CPU away from this process once in the round. */
    while (CLOCK->interrupted[id] < round) __asm__ volatile("pause");
    if (owner != id) end = put_text(line, "another process wrote into this address space");
    syscall(SYS_PRINT, (u64)line, (u64)(end - line));
    syscall(SYS_SLEEP, 2, 0);
  }
  /* The last one tries the kernel's memory. */
  if (id == PROCESSES - 1) *(volatile u8 *)0x100000 = 1;
  syscall(SYS_EXIT, 0, 0);
  __builtin_unreachable();
}
