/**
 * Which device of the board answers an access, by the port or the guest physical address that an exit's record has.
 *
 * A log has no map of the machine, so this knows what stands in fixed places; a test holds it against the board. What a guest places itself (the BARs
 * of PCI functions) and what an option adds is `device`: some device of the monitor's. Ports below the BARs that the board has nothing at are `unclaimed`.
 *
 * @module
 */
import { EXIT_RECORD } from '../cpu/layout.ts';
import { EXIT_REASON } from '../exit-reason.ts';
import { causeParts } from './cause.ts';

/** First and last, and the name with which the device registers. */
type Range = readonly [from: number, to: number, name: string];

const PORTS: readonly Range[] = [
  [0x00, 0x0f, 'dma'],
  [0x20, 0x21, 'pic'],
  [0x40, 0x43, 'pit'],
  [0x60, 0x60, 'i8042'],
  [0x61, 0x61, 'pit'],
  [0x64, 0x64, 'i8042'],
  [0x70, 0x71, 'rtc'],
  [0x80, 0x80, 'post'],
  [0x81, 0x8f, 'dma'],
  [0x92, 0x92, 'port92'],
  [0xa0, 0xa1, 'pic'],
  [0xb2, 0xb3, 'smi-command'],
  [0xc0, 0xdf, 'dma'],
  [0xe0, 0xe3, 'test latch'],
  [0xf0, 0xf0, 'ferr'],
  [0x170, 0x177, 'ide'],
  [0x1f0, 0x1f7, 'ide'],
  [0x376, 0x376, 'ide'],
  [0x3b4, 0x3b5, 'vga'],
  [0x3ba, 0x3ba, 'vga'],
  [0x3c0, 0x3cf, 'vga'],
  [0x3d4, 0x3d5, 'vga'],
  [0x3da, 0x3da, 'vga'],
  [0x3f6, 0x3f6, 'ide'],
  [0x3f8, 0x3ff, 'serial'],
  [0x4d0, 0x4d1, 'pic'],
  [0x510, 0x511, 'fwcfg'],
  [0x600, 0x60f, 'pm'],
  [0xcf8, 0xcf8, 'pci'],
  [0xcf9, 0xcf9, 'reset'],
  [0xcfa, 0xcff, 'pci'],
];

/** Where BARs of I/O ports can be. */
const BARS = 0x1000;

const PAGES: readonly Range[] = [
  [0xa_0000, 0xb_ffff, 'vga'],
  [0xd000_0000, 0xd00f_ffff, 'pci'],
  [0xfec0_0000, 0xfec0_0fff, 'ioapic'],
  [0xfed0_0000, 0xfed0_0fff, 'hpet'],
  [0xfee0_0000, 0xfee0_0fff, 'lapic'],
];

const OTHER = 'device';
const NONE = 'unclaimed';

/** Names by number; 0: the exit is no access to a device. */
export const DEVICE_CLASSES: readonly string[] = ['', OTHER, NONE, ...new Set([...PORTS, ...PAGES].map(([, , name]) => name))];

const numberOf = (name: string): number => DEVICE_CLASSES.indexOf(name);

const BY_PORT = new Uint8Array(0x1_0000).fill(numberOf(OTHER), BARS).fill(numberOf(NONE), 0, BARS);
for (const [from, to, name] of PORTS) BY_PORT.fill(numberOf(name), from, to + 1);
const BY_PAGE = PAGES.map(([from, to, name]) => [from, to, numberOf(name)] as const);
const LAPIC = numberOf('lapic');

/** Of a port. */
export function portClass(port: number): number {
  return BY_PORT[port & 0xffff] as number;
}

/** Of a guest physical address. */
export function addressClass(gpa: number): number {
  for (const [from, to, number] of BY_PAGE) if (gpa >= from && gpa <= to) return number;
  return numberOf(OTHER);
}

/** Of the exit whose record stands at `at`. */
export function deviceClassOf(view: DataView, at: number): number {
  switch (view.getUint8(at + EXIT_RECORD.REASON)) {
    case EXIT_REASON.IO_INSTRUCTION:
      return portClass(view.getUint16(at + EXIT_RECORD.QUALIFICATION + 2, true));
    case EXIT_REASON.EPT_MISCONFIG:
      return addressClass(
        view.getUint32(at + EXIT_RECORD.SUBJECT + 4, true) * 0x1_0000_0000 + view.getUint32(at + EXIT_RECORD.SUBJECT, true),
      );
    case EXIT_REASON.APIC_ACCESS:
      return LAPIC;
    default:
      return 0;
  }
}

/** Of exits of a cause (`cause.ts`). */
export function deviceClassOfCause(cause: number): number {
  const { reason, of } = causeParts(cause);
  switch (reason) {
    case EXIT_REASON.IO_INSTRUCTION:
      return portClass(of);
    case EXIT_REASON.EPT_MISCONFIG:
      return addressClass(of * 4096);
    case EXIT_REASON.APIC_ACCESS:
      return LAPIC;
    default:
      return 0;
  }
}
