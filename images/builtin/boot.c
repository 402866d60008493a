/*
 * What the loader handed over: memory map, command line, RSDP. Xen's hvm_start_info (start_info.h, version 1) and the multiboot
 * information structure (0.6.96, 3.3). Copied before any memory is given out.
 */
#include "kernel.h"

struct boot boot;

struct start_info {
  u32 magic, version, flags, modules;
  u64 module_list, command_line, rsdp, memory_map;
  u32 memory_map_entries, reserved;
};
struct start_range {
  u64 base, length;
  u32 type, reserved;
};

struct multiboot_info {
  u32 flags, mem_lower, mem_upper, boot_device, cmdline, mods_count, mods_addr, syms[4], mmap_length, mmap_addr;
};
struct multiboot_range {
  u32 size;
  u64 base, length;
  u32 type;
} __attribute__((packed));
#define MULTIBOOT_CMDLINE 0x4
#define MULTIBOOT_MMAP 0x40
#define TYPE_RAM 1

static void add_range(u64 base, u64 length, u32 type) {
  if (type == TYPE_RAM && boot.ranges < MAX_RANGES) boot.ram[boot.ranges++] = (struct range){base, length};
}

static void copy_command_line(const char *text) {
  u32 i = 0;
  for (; text[i] && i < sizeof boot.command_line - 1; i++) boot.command_line[i] = text[i];
  boot.command_line[i] = 0;
}

/* ACPI 5.2.5.1: the RSDP stands on a 16-byte boundary in the BIOS area (the EBDA is not searched: this board has none worth it). */
static u64 find_rsdp(void) {
  for (u64 at = 0xe0000; at < 0x100000; at += 16)
    if (*(volatile u64 *)at == 0x2052545020445352ul) return at;
  return 0;
}

static void read_start_info(const struct start_info *info) {
  boot.protocol = "PVH";
  boot.rsdp = info->rsdp;
  if (info->command_line) copy_command_line((const char *)info->command_line);
  const struct start_range *map = (const struct start_range *)info->memory_map;
  for (u32 i = 0; info->version >= 1 && i < info->memory_map_entries; i++) add_range(map[i].base, map[i].length, map[i].type);
}

static void read_multiboot(const struct multiboot_info *info) {
  boot.protocol = "multiboot";
  if (info->flags & MULTIBOOT_CMDLINE) copy_command_line((const char *)(u64)info->cmdline);
  if (!(info->flags & MULTIBOOT_MMAP)) return;
  for (u64 at = info->mmap_addr, end = at + info->mmap_length; at < end;) {
    const struct multiboot_range *range = (const struct multiboot_range *)at;
    add_range(range->base, range->length, range->type);
    at += range->size + 4;
  }
}

void boot_read(u64 protocol, u64 info) {
  if (protocol == 0)
    read_start_info((const struct start_info *)info);
  else
    read_multiboot((const struct multiboot_info *)info);
  if (!boot.rsdp) boot.rsdp = find_rsdp();
}
