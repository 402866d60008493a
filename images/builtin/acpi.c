/*
 * Power off: ACPI 6.5, 5.2.5 (RSDP), 5.2.7-8 (RSDT, XSDT), 5.2.9 (FADT), 7.4.2 (\_S5). The PM1a control port comes from the FADT, the sleep
 * type from the \_S5 package in the DSDT, read without an AML interpreter: a name, a package of byte constants.
 */
#include "kernel.h"

#define SIGNATURE(a, b, c, d) ((u32)(a) | (u32)(b) << 8 | (u32)(c) << 16 | (u32)(d) << 24)
#define SLP_EN 0x2000

/* Where QEMU's and this board's PM1 control block stands when there are no tables. */
static u16 pm1a_control = 0x604;
static u16 sleep_type;
static const char *source = "default";

struct table {
  u32 signature, length;
  u8 revision, checksum, rest[26];
};

static int sums_to_zero(u64 at, u32 length) {
  u8 sum = 0;
  for (u32 i = 0; i < length; i++) sum += *(u8 *)(at + i);
  return sum == 0;
}

/* Tables stand anywhere, also off 4- and 8-byte boundaries. */
static u64 get(u64 at, u32 bytes) {
  u64 value = 0;
  memcpy(&value, (void *)at, bytes);
  return value;
}

static u64 find_table(u64 rsdp, u32 signature) {
  u64 root = get(rsdp + 15, 1) >= 2 ? get(rsdp + 24, 8) : 0;
  u32 width = root ? 8 : 4;
  if (!root) root = get(rsdp + 16, 4);
  u32 length = get(root + 4, 4);
  for (u64 at = root + 36; at + width <= root + length; at += width) {
    u64 table = get(at, width);
    if (get(table, 4) == signature && sums_to_zero(table, get(table + 4, 4))) return table;
  }
  return 0;
}

/* NameOp "_S5_" PackageOp PkgLength NumElements, then an integer: ZeroOp, OneOp or BytePrefix byte (AML, 20.2). */
static void read_sleep_type(u64 dsdt) {
  u64 end = dsdt + get(dsdt + 4, 4);
  for (u64 at = dsdt + 36; at + 8 < end; at++) {
    if (get(at, 4) != SIGNATURE('_', 'S', '5', '_') || get(at + 4, 1) != 0x12) continue;
    at += 5;
    at += (get(at, 1) >> 6) + 2;
    sleep_type = get(at, 1) == 0x0a ? get(at + 1, 1) : get(at, 1);
    return;
  }
}

void acpi_init(u64 rsdp) {
  u64 fadt = 0;
  if (rsdp && sums_to_zero(rsdp, 20)) fadt = find_table(rsdp, SIGNATURE('F', 'A', 'C', 'P'));
  if (fadt) {
    source = "FADT";
    pm1a_control = get(fadt + 64, 4);
    if (get(fadt + 40, 4)) read_sleep_type(get(fadt + 40, 4));
  }
  print("acpi: PM1a control at port %x (%s), sleep type %u for S5\n", (u64)pm1a_control, source, (u64)sleep_type);
}

void power_off(void) {
  outw(pm1a_control, sleep_type << 10 | SLP_EN);
  /* The machine may take a moment; reading the POST port costs about a microsecond on a PC. */
  for (u32 i = 0; i < 100000; i++) inb(0x80);
  print("power off did not work\n");
}
