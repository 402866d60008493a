/**
 * What a log of exits costs: CPU seconds of the reference guest's boot with `--events` beside those without it, and how fast a log is read.
 *
 * @module
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { writeSynthetic } from '../vmm/exit-log/synthetic.ts';
import { linux } from './boot.ts';
import { runLucid } from './engines.ts';
import { alternate, type Row, runTimed, type Sample, sampleOf } from './measure.ts';

const LUCID = fileURLToPath(new URL('../../vmm/cli/lucid.ts', import.meta.url));

const KINDS: readonly { readonly name: string; readonly words: string; readonly atMost?: Row['atMost'] }[] = [
  { name: 'events', words: '', atMost: { value: 1.05, of: 'ratio' } },
  { name: 'events-stack', words: ',stack' },
  { name: 'events-json', words: ',format=json' },
];

function inFolder<T>(use: (folder: string) => T): T {
  const folder = mkdtempSync(join(tmpdir(), 'lucid-bench-'));
  try {
    return use(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** The boot that the row `boot` times. */
export async function benchEvents(runs: number): Promise<Row[]> {
  const image = await linux('console=ttyS0 cryptomgr.notests');
  return inFolder((folder) => {
    const path = join(folder, 'log');
    const without = () => runLucid(image).cpuSeconds;
    const logged = KINDS.map(
      ({ words }) =>
        () =>
          runLucid(image, ['--events', `${path}${words}`]).cpuSeconds,
    );
    const [plain, ...samples] = alternate(runs, [without, ...logged]);
    return KINDS.map(({ name, atMost }, i) => ({
      name,
      unit: 's CPU',
      lucid: samples[i] as Sample,
      peer: { who: 'without --events', sample: plain as Sample },
      note: 'beside the same boot without --events',
      atMost,
    }));
  });
}

const EXITS = 10_000_000;
const PRINTED = 100_000;
const START_RUNS = 3;

const READINGS: readonly { readonly name: string; readonly args: readonly string[]; readonly exits: number; readonly atMost?: number }[] = [
  { name: 'events-read', args: ['events', 'LOG', '--rip', '0xffffffff81000000-0xffffffff81000010'], exits: EXITS, atMost: 200 },
  { name: 'exits-by-rip', args: ['exits', 'LOG', '--by', 'rip'], exits: EXITS, atMost: 200 },
  { name: 'exits-by-chain', args: ['exits', 'LOG', '--by', 'call-chain'], exits: EXITS / 10 },
  { name: 'events-perf', args: ['events', 'LOG', '--print', 'perf'], exits: PRINTED },
  { name: 'events-trace', args: ['events', 'LOG', '--print', 'trace-cmd'], exits: PRINTED },
  { name: 'events-to-json', args: ['events', 'LOG', '--print', 'json'], exits: PRINTED },
];

/** CPU nanoseconds for one exit of a log that is read, without what the process takes to start. */
export function benchEventsRead(runs: number): Row[] {
  return inFolder((folder) => {
    const timed = (args: readonly string[]): number => {
      const ran = runTimed(process.execPath, [LUCID, ...args]);
      if (ran.status !== 0) throw new Error(`lucid ${args.join(' ')} ended with status ${ran.status}\n${ran.stderr}`);
      return ran.cpuSeconds;
    };
    const empty = join(folder, 'empty');
    writeSynthetic(empty, { exits: 1 });
    const start = sampleOf(Array.from({ length: START_RUNS }, () => timed(['events', empty]))).median;
    return READINGS.map(({ name, args, exits, atMost }) => {
      const path = join(folder, name);
      writeSynthetic(path, { exits, ...(name === 'exits-by-chain' ? { stack: 8 } : undefined) });
      const words = args.map((word) => (word === 'LOG' ? path : word));
      const [lucid] = alternate(runs, [() => ((timed(words) - start) * 1e9) / exits]);
      rmSync(path);
      const row = { name, unit: 'ns', lucid: lucid as Sample, note: `CPU for each of ${exits} exits` };
      return atMost === undefined ? row : { ...row, atMost: { value: atMost, of: 'lucid' } as const };
    });
  });
}
