/**
 * The harness built from guest.S with the tools that are there, and the addresses in it.
 *
 * @module
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { definitions, HARNESS } from './layout.ts';

const source = fileURLToPath(new URL('./guest.S', import.meta.url));
export const folder = fileURLToPath(new URL('../../build/qemu/', import.meta.url));

/** What is missing for a run. */
export interface Absent {
  readonly reason: string;
}

export interface Harness {
  /** A flat image with a multiboot header. */
  readonly file: string;
  readonly bytes: Uint8Array;
  /** Entries for vector `n` by the handler's width. */
  readonly stub: (width: 16 | 32 | 64, n: number) => number;
  readonly doubleFaultTask: number;
  readonly otherTask: number;
}

function run(command: string, args: readonly string[]): string | Absent {
  const done = spawnSync(command, args, { encoding: 'utf8' });
  if (done.error !== undefined) return { reason: `there is no ${command}` };
  if (done.status !== 0) return { reason: `${command}: ${done.stderr}` };
  return done.stdout;
}

/** Builds guest.S; or says why not. */
export function buildHarness(): Harness | Absent {
  mkdirSync(folder, { recursive: true });
  const object = `${folder}guest-${process.pid}.o`;
  const elf = `${folder}guest-${process.pid}.elf`;
  const file = `${folder}guest-${process.pid}.bin`;
  const steps = [
    ['gcc', '-m64', '-c', ...definitions(), source, '-o', object],
    ['ld', '-m', 'elf_x86_64', '--no-warn-rwx-segments', '-Ttext', `0x${HARNESS.toString(16)}`, '-e', 'image', object, '-o', elf],
    ['objcopy', '-O', 'binary', '-j', '.text', elf, file],
  ];
  for (const [command, ...args] of steps) {
    const done = run(command as string, args);
    if (typeof done !== 'string') return done;
  }
  const symbols = run('nm', [elf]);
  if (typeof symbols !== 'string') return symbols;
  const address = (name: string): number => Number.parseInt(new RegExp(`^([0-9a-f]+) . ${name}$`, 'm').exec(symbols)?.[1] ?? '', 16);
  const stubs = { 16: address('stubs16'), 32: address('stubs32'), 64: address('stubs64') };
  return {
    file,
    bytes: readFileSync(file),
    stub: (width, n) => stubs[width] + n * (width === 64 ? 32 : 16),
    doubleFaultTask: address('double_fault_task'),
    otherTask: address('other_task'),
  };
}
