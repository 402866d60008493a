/**
 * The reference guest for the slow tests. Without it they are skipped, unless LUCID_REQUIRE_LINUX=1 says that it must be there.
 *
 * @module
 */
import process from 'node:process';
import { obtainLinux } from '../../images/linux/fetch.ts';
import type { Image } from '../bench/engines.ts';

/** True when every size is to be measured: `npm run test:slow`. */
export const FULL = process.env['LUCID_SLOW'] === 'full';

/** The boot of guests.md's table, and the kernel's version; undefined when it cannot be had. */
export async function reference(): Promise<{ image: Image; version: string } | undefined> {
  const got = await obtainLinux();
  if (got.ok) return { image: { kernel: got.vmlinuz, initrd: got.initramfs, says: 'BOOT-OK' }, version: got.version };
  if (process.env['LUCID_REQUIRE_LINUX'] === '1') throw new Error(`Debian's Linux is required: ${got.reason}`);
  return undefined;
}

export const WITH_TESTS = 'console=ttyS0';
export const WITHOUT_TESTS = 'console=ttyS0 cryptomgr.notests';
