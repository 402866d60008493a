/**
 * The answer to IDENTIFY DEVICE.
 *
 * Specification: ATA/ATAPI-6 (T13/1410D), 8.15, table 27; word numbers are the table's.
 *
 * @module
 */
import { putText, putWords } from './registers.ts';

const MODEL = 'LUCID HARDDISK';
const FIRMWARE = '1.0';
const HEADS = 16;
const PER_TRACK = 63;
const CYLINDERS_MAX = 16_383;
const LBA28_MAX = 0x0fff_ffff;

export interface DiskIdentity {
  readonly sectors: number;
  readonly serial: string;
  /** The geometry as the host set it. */
  readonly heads: number;
  readonly perTrack: number;
  readonly multiple: number;
  readonly cache: boolean;
  readonly dmaMode: number;
}

/** The geometry of power-on. */
export function geometryOf(sectors: number): { readonly cylinders: number; readonly heads: number; readonly perTrack: number } {
  const cylinders = Math.min(CYLINDERS_MAX, Math.max(1, Math.floor(sectors / (HEADS * PER_TRACK))));
  return { cylinders, heads: HEADS, perTrack: PER_TRACK };
}

/** Writes the 512 bytes. */
export function identifyDisk(into: Uint8Array, disk: DiskIdentity): void {
  const words = new Uint16Array(256);
  const native = geometryOf(disk.sectors);
  const cylinders = Math.min(CYLINDERS_MAX, Math.max(1, Math.floor(disk.sectors / (disk.heads * disk.perTrack))));
  const current = cylinders * disk.heads * disk.perTrack;
  const lba28 = Math.min(disk.sectors, LBA28_MAX);
  words[0] = 0x0040; // not removable
  words[1] = native.cylinders;
  words[3] = native.heads;
  words[6] = native.perTrack;
  putText(words, 10, 10, disk.serial);
  putText(words, 23, 4, FIRMWARE);
  putText(words, 27, 20, MODEL);
  words[47] = 0x8010; // sixteen sectors a block of READ MULTIPLE
  words[49] = 0x0f00; // DMA, LBA, IORDY
  words[50] = 0x4000;
  words[53] = 0x0003; // words 54-58 and 64-70 are valid
  words[54] = cylinders;
  words[55] = disk.heads;
  words[56] = disk.perTrack;
  put32(words, 57, current);
  words[59] = disk.multiple === 0 ? 0 : 0x0100 | disk.multiple;
  put32(words, 60, lba28);
  words[63] = 0x0007 | (0x0100 << disk.dmaMode);
  words[64] = 0x0003; // PIO modes 3 and 4
  words.fill(120, 65, 69); // nanoseconds a cycle
  words[80] = 0x007e; // ATA-1 to ATA-6
  words[82] = 0x4028; // NOP, write cache, power management
  words[83] = 0x7400; // FLUSH CACHE, FLUSH CACHE EXT, 48-bit addresses
  words[84] = 0x4000;
  words[85] = disk.cache ? 0x4028 : 0x4008;
  words[86] = 0x3400;
  words[87] = 0x4000;
  words[93] = 0x6001; // the reset's result, with the cable of 80 wires
  put32(words, 100, disk.sectors % 2 ** 32);
  put32(words, 102, Math.floor(disk.sectors / 2 ** 32));
  putWords(into, words);
}

function put32(words: Uint16Array, at: number, value: number): void {
  words[at] = value & 0xffff;
  words[at + 1] = Math.floor(value / 0x1_0000) & 0xffff;
}
