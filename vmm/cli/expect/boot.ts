/**
 * Expectations in TypeScript, for any test runner: boot a guest, step it from mark to mark, ask it there, type on its console.
 *
 * ```ts
 * import { test } from 'uvu';
 * import * as assert from 'uvu/assert';
 * import { boot } from 'lucidvm/expect';
 *
 * test('the kernel is ready in time and does not poll', async () => {
 *   await using guest = await boot({ kernel: 'kernel.elf', 'debug-exit': 0xf4, limit: 'time=10' });
 *   const ready = await guest.until({ serial: 'ready' });
 *   assert.ok(ready.instructions < 900e6);
 *   assert.equal(await guest.run(), { kind: 'debug-exit', value: 0 });
 *   assert.is(guest.exits({ cause: 'IO_INSTRUCTION in 0x71', from: ready }).count, 0);
 * });
 * test.run();
 * ```
 *
 * A guest stands before its first instruction and after each `until`, at the same instruction in every run; there it can be looked at, typed to, traced and saved.
 * What has run is recorded exit by exit, so counts are taken of any stretch between two moments, at any time.
 *
 * @module
 */
import { Guest } from './guest.ts';
import { held } from './held.ts';
import { quietRun } from './quiet-run.ts';
import { readPlan } from './read-file.ts';
import type { ExpectReport } from './report.ts';

export type { VcpuRegisters } from '../../live/messages.ts';
export type { ExitEvent } from '../../exit-log/describe.ts';
export type { Mark } from '../../exit-log/marks.ts';
export type { TallyKey, TallyRow } from '../../exit-log/tally.ts';
export type { Outcome, VmReport } from '../../report.ts';
export { CauseError } from '../../exit-log/cause-named.ts';
export { UsageError } from '../options.ts';
export { type GuestMemory, Guest, GuestStateError, type MarkDescription, MarkMissedError, type StepOptions } from './guest.ts';
export type { Exits, ExitsOptions, Moment } from './recorded-exits.ts';
export { type AggregationElement, type Aggregations, type Bucket, percentile, type Trace } from './trace.ts';
export type { ExpectReport };

/** Options of `lucid run`, by name; `image` is the disk that it takes without an option. */
export interface BootOptions {
  readonly image?: string;
  readonly kernel?: string;
  readonly initrd?: string;
  readonly append?: string;
  readonly bios?: string;
  readonly restore?: string;
  readonly entry?: string;
  readonly memory?: string;
  readonly cpu?: string;
  readonly cpus?: number;
  readonly disk?: string | readonly string[];
  readonly cdrom?: string | readonly string[];
  readonly boot?: 'disk' | 'cdrom';
  readonly nic?: string | readonly string[];
  readonly share?: string | readonly string[];
  readonly virtio?: 'pci' | 'mmio';
  readonly ecam?: boolean;
  readonly hpet?: boolean;
  readonly rng?: boolean;
  readonly console?: 'serial' | 'virtio';
  readonly serial?: string;
  readonly vga?: string;
  readonly 'exit-cost'?: string;
  readonly intercept?: string;
  readonly 'debug-exit'?: number;
  /** `insns=N,time=S,wall=S`. */
  readonly limit?: string;
  readonly rtc?: string | number;
  readonly seed?: number;
  readonly name?: string;
  /** Call chains are kept with each exit, which costs time and room: `exits({ by: 'call-chain' })` and `first` have them. */
  readonly stack?: boolean;
}

function wordsOf(options: Omit<BootOptions, 'stack'>): string[] {
  return Object.entries(options).flatMap(([name, value]): string[] => {
    if (value === undefined) return [];
    if (typeof value === 'boolean') return [value ? `--${name}` : `--no-${name}`];
    const texts = (Array.isArray(value) ? value : [value]).map(String);
    return name === 'image' ? texts : texts.map((text) => `--${name}=${text}`);
  });
}

/** Makes a guest, which stands before its first instruction. Throws UsageError: an option or a file that cannot be. */
export async function boot({ stack = false, ...options }: BootOptions): Promise<Guest> {
  return Guest.start(await quietRun(wordsOf(options)), { stack, signals: false });
}

/** `lucid expect FILE -- words` as data. Throws UsageError. */
export function expectFile(path: string, words: readonly string[] = []): Promise<ExpectReport> {
  return held(readPlan(path, words), { update: false, signals: false });
}
