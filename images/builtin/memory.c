/*
 * Memory: frames handed out from the RAM above the kernel, never taken back; address spaces with the kernel's gibibytes shared and one
 * gibibyte of their own. SDM vol. 3, 4.5 (4-level paging).
 */
#include "kernel.h"

#define PRESENT 0x1ul
#define WRITE 0x2ul
#define USER 0x4ul
#define NO_EXECUTE (1ul << 63)
#define ADDRESS 0x000ffffffffff000ul

extern u8 image_end[];
extern u64 boot_pdpt[];

static u64 next_frame, last_frame;

void *memset(void *to, int value, u64 bytes) {
  void *at = to;
  __asm__ volatile("rep stosb" : "+D"(at), "+c"(bytes) : "a"(value) : "memory");
  return to;
}

void *memcpy(void *to, const void *from, u64 bytes) {
  void *at = to;
  __asm__ volatile("rep movsb" : "+D"(at), "+S"(from), "+c"(bytes)::"memory");
  return to;
}

void memory_init(void) {
  u64 total = 0;
  next_frame = ((u64)image_end + PAGE - 1) & ~(PAGE - 1);
  for (u32 i = 0; i < boot.ranges; i++) {
    struct range *r = &boot.ram[i];
    total += r->length;
    if (r->base <= next_frame && next_frame < r->base + r->length) last_frame = r->base + r->length;
  }
  print("memory: %u KB in %u ranges\n", total / 1024, (u64)boot.ranges);
}

void *new_frame(void) {
  if (next_frame + PAGE > last_frame) {
    print("out of memory\n");
    power_off();
    for (;;) __asm__ volatile("cli; hlt");
  }
  void *frame = (void *)next_frame;
  next_frame += PAGE;
  return memset(frame, 0, PAGE);
}

/* The table behind an entry, made when there is none; user rights on the way down, the leaf decides. */
static u64 *table(u64 *entry) {
  if (!(*entry & PRESENT)) *entry = (u64)new_frame() | PRESENT | WRITE | USER;
  return (u64 *)(*entry & ADDRESS);
}

u64 new_space(void) {
  u64 *pml4 = new_frame();
  u64 *pdpt = table(&pml4[0]);
  /* The identity map is the kernel's (supervisor pages); the second gibibyte is this space's own. */
  pdpt[0] = boot_pdpt[0];
  pdpt[2] = boot_pdpt[2];
  pdpt[3] = boot_pdpt[3];
  return (u64)pml4;
}

void map_user(u64 space, u64 address, void *frame, u32 flags) {
  u64 *pdpt = table(&((u64 *)space)[0]);
  u64 *pd = table(&pdpt[address >> 30 & 511]);
  u64 *pt = table(&pd[address >> 21 & 511]);
  pt[address >> 12 & 511] =
      (u64)frame | PRESENT | USER | (flags & MAP_WRITE ? WRITE : 0) | (flags & MAP_EXECUTE ? 0 : NO_EXECUTE);
}
