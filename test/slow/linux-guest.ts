/**
 * The reference Linux with its drivers and a script of its own, for tests that write disks.
 *
 * @module
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { MODULES, type Obtained } from '../../images/linux/fetch.ts';
import { driverInitramfs } from '../../images/linux/initramfs.ts';

export function linuxInitramfs(got: Extract<Obtained, { ok: true }>, script: string): Uint8Array {
  const modules = MODULES.map((name) => ({ name, bytes: readFileSync(join(got.modules, `${name}.ko`)) }));
  return driverInitramfs(readFileSync(join(got.modules, '../busybox')), modules, script);
}
