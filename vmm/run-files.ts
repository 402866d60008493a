/**
 * The files that a run was given: nothing that it writes may go into one of them.
 *
 * @module
 */
import { statSync } from 'node:fs';
import type { RunOptions } from './worker-messages.ts';

/** Each file with the option that named it. */
export function filesOf({
  kernel,
  initrd,
  bios,
  vgaBios,
  restore,
  disks = [],
}: RunOptions): { readonly option: string; readonly path: string }[] {
  const single = Object.entries({ '--kernel': kernel, '--initrd': initrd, '--bios': bios, '--vga': vgaBios, '--restore': restore });
  const named = [
    ...single,
    ...disks.flatMap(({ path, overlay }): [string, string | undefined][] => [
      ['--disk', path],
      ['--disk overlay', overlay],
    ]),
  ];
  return named.flatMap(([option, path]) => (path === undefined ? [] : [{ option, path }]));
}

export function sameFile(a: string, b: string): boolean {
  try {
    const [x, y] = [statSync(a), statSync(b)];
    return x.isFile() && x.dev === y.dev && x.ino === y.ino;
  } catch {
    return false;
  }
}
