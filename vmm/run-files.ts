/**
 * The files that a run was given: nothing that it writes may go into one of them.
 *
 * @module
 */
import { statSync } from 'node:fs';
import { resolve } from 'node:path';
import type { RunOptions } from './worker-messages.ts';

/** Each file with the option that named it. */
export function filesOf({
  kernel,
  initrd,
  bios,
  vgaBios,
  restore,
  disks = [],
  nics = [],
}: RunOptions): { readonly option: string; readonly path: string }[] {
  const single = Object.entries({ '--kernel': kernel, '--initrd': initrd, '--bios': bios, '--vga': vgaBios, '--restore': restore });
  const named = [
    ...single,
    ...disks.flatMap(({ path, overlay, interface: kind }): [string, string | undefined][] => [
      [kind === 'cdrom' ? '--cdrom' : '--disk', path],
      ['--disk overlay', overlay],
    ]),
    ...nics.flatMap(({ backend, capture }): [string, string | undefined][] => [
      ['--nic pcap:', backend.kind === 'pcap' ? backend.path : undefined],
      ['--nic pcap=', capture],
    ]),
  ];
  return named.flatMap(([option, path]) => (path === undefined ? [] : [{ option, path }]));
}

/** What a capture of one of the NICs would overwrite: the capture, and the option that named the same file. */
export function captureOver(options: RunOptions): { readonly capture: string; readonly option: string } | undefined {
  const { nics = [] } = options;
  for (const [i, { capture }] of nics.entries()) {
    if (capture === undefined) continue;
    const others = filesOf({ ...options, nics: nics.map((nic, k) => (k === i ? { ...nic, capture: undefined } : nic)) });
    const taken = others.find(({ path }) => sameFile(path, capture) || resolve(path) === resolve(capture));
    if (taken !== undefined) return { capture, option: taken.option };
  }
  return undefined;
}

export function sameFile(a: string, b: string): boolean {
  try {
    const [x, y] = [statSync(a), statSync(b)];
    return x.isFile() && x.dev === y.dev && x.ino === y.ino;
  } catch {
    return false;
  }
}
