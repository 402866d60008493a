/**
 * Names of the ATA register bits and codes that disk, CD-ROM and channel share.
 *
 * Specification: ATA/ATAPI-6 (T13/1410D), clause 7 (registers), 8 (commands), 9.12 (signatures).
 *
 * @module
 */

// Offsets in the command block (clause 7; by the address lines).
export const DATA = 0;
/** Error when read, features when written. */
export const FEATURES = 1;
export const COUNT = 2;
export const LBA_LOW = 3;
export const LBA_MID = 4;
export const LBA_HIGH = 5;
export const DEVICE = 6;
/** Status when read, command when written. */
export const COMMAND = 7;

export const BSY = 0x80;
export const DRDY = 0x40;
/** Seek complete of old drives; drives still set it. */
export const DSC = 0x10;
export const DRQ = 0x08;
export const ERR = 0x01;

export const ABRT = 0x04;
export const IDNF = 0x10;
export const UNC = 0x40;

export const DEVICE_SELECT = 0x10;
export const DEVICE_LBA = 0x40;

// Device control (7.9).
export const NIEN = 0x02;
export const SRST = 0x04;
export const HOB = 0x80;

/** What both kinds of device write into ERROR after a reset or the diagnostic: device 0 passed (8.11). */
export const PASSED = 0x01;

// Commands of both kinds.
export const CMD_DEVICE_RESET = 0x08;
export const CMD_DIAGNOSTIC = 0x90;
export const CMD_STANDBY_IMMEDIATE = 0xe0;
export const CMD_IDLE_IMMEDIATE = 0xe1;
export const CMD_STANDBY = 0xe2;
export const CMD_IDLE = 0xe3;
export const CMD_CHECK_POWER_MODE = 0xe5;
export const CMD_SLEEP = 0xe6;
export const CMD_IDENTIFY = 0xec;
export const CMD_SET_FEATURES = 0xef;

/** Puts text into IDENTIFY words: padded by spaces, the first character of each pair in the high byte (8.16). */
export function putText(words: Uint16Array, first: number, count: number, text: string): void {
  const padded = text.padEnd(2 * count).slice(0, 2 * count);
  for (let i = 0; i < count; i++) words[first + i] = (padded.charCodeAt(2 * i) << 8) | padded.charCodeAt(2 * i + 1);
}

export function putWords(bytes: Uint8Array, words: Uint16Array): void {
  words.forEach((word, i) => {
    bytes[2 * i] = word & 0xff;
    bytes[2 * i + 1] = word >> 8;
  });
}
