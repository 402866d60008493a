/**
 * The firmware that a disk boots by when none is named: Debian's SeaBIOS.
 *
 * @module
 */
import { existsSync } from 'node:fs';
import { UsageError } from './options.ts';

export const FIRMWARE = '/usr/share/seabios/bios-256k.bin';

/** Throws UsageError when it is not installed. */
export function defaultFirmware(): string {
  if (existsSync(FIRMWARE)) return FIRMWARE;
  throw new UsageError(`--bios: ${FIRMWARE} is not there, which disks boot by; install Debian's package seabios, or give --bios FILE`);
}
