/*
 * Runs single x87 instructions on this machine's processor: the oracle of x87-host.test.ts.
 *
 * Standard input: records of { u32 code length, u8 code[8], u32 flags, u32 memory length, u8 image[108], u8 memory[] }. The image is loaded
 * with FRSTOR, the code runs with rsi at the memory operand, and what FNSAVE then stores comes back. Standard output: records of
 * { u32 signal, u32 flags, u32 eax, u32 0, u8 image[112], u8 memory[] }.
 */
#define _GNU_SOURCE
#include <setjmp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

static sigjmp_buf back;

static void caught(int number) { siglongjmp(back, number); }

struct input {
  uint32_t length;
  uint8_t code[8];
  uint32_t flags;
  uint32_t memory;
  uint8_t image[108];
};

struct output {
  uint32_t signal, flags, eax, zero;
  uint8_t image[112];
};

/* rdi = image, rsi = memory, rdx = output image, ecx = flags, r8 = struct output */
static size_t emit(uint8_t *at, const struct input *in) {
  static const uint8_t before[] = {0xdd, 0x27, 0xb8, 0xa5, 0xa5, 0xa5, 0xa5, 0x51, 0x9d};
  /* pushf; pop [r8+16]; mov [r8+8], eax; fnsave [rdx]; fninit; cld; ret */
  static const uint8_t after[] = {0x9c, 0x41, 0x8f, 0x40, 0x10, 0x41, 0x89, 0x40, 0x08, 0xdd, 0x32, 0xdb, 0xe3, 0xfc, 0xc3};
  size_t n = 0;
  memcpy(at + n, before, sizeof before);
  n += sizeof before;
  memcpy(at + n, in->code, in->length);
  n += in->length;
  memcpy(at + n, after, sizeof after);
  return n + sizeof after;
}

typedef void routine(const uint8_t *image, uint8_t *memory, uint8_t *out, uint64_t flags, uint8_t *result);

int main(void) {
  uint8_t *code = mmap(0, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (code == MAP_FAILED) return 1;
  struct sigaction action = {.sa_handler = caught, .sa_flags = SA_NODEFER};
  sigaction(SIGILL, &action, 0);
  sigaction(SIGFPE, &action, 0);
  sigaction(SIGSEGV, &action, 0);
  static struct input in;
  static uint8_t memory[1024] __attribute__((aligned(64)));
  static uint8_t block[256] __attribute__((aligned(64)));
  while (fread(&in, sizeof in, 1, stdin) == 1) {
    if (in.length > 8 || in.memory > sizeof memory || fread(memory, 1, in.memory, stdin) != in.memory) return 2;
    memset(block, 0, sizeof block);
    int number = sigsetjmp(back, 1);
    if (number == 0) {
      emit(code, &in);
      __asm__ volatile("" ::: "memory");
      ((routine *)code)(in.image, memory, block + 64, in.flags, block);
    } else {
      __asm__ volatile("fninit");
    }
    struct output out = {.signal = (uint32_t)number, .eax = *(uint32_t *)(block + 8)};
    out.flags = *(uint32_t *)(block + 16);
    memcpy(out.image, block + 64, 108);
    fwrite(&out, sizeof out, 1, stdout);
    fwrite(memory, 1, in.memory, stdout);
  }
  return 0;
}
