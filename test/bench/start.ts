/**
 * What it takes to begin: time to the first guest instruction, and the CPU time of whole short commands.
 *
 * `start` is the time from the start of the process to the first instruction of the Linux guest, as `lucid run --json` tells it; `short-*` are CPU
 * milliseconds of a command from its start to its end. The peer is Node alone (`node -e 0`), of which every one of them begins with: in the same unit,
 * in the same run. Everything is in the host's caches after the first round, compiled modules too.
 *
 * @module
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { linux } from './boot.ts';
import { runLucid } from './engines.ts';
import { alternate, type Row, runTimed, type Sample } from './measure.ts';

const fileOf = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url));
const NODE = 'Node alone';

/** CPU milliseconds of a script. Throws when its exit status is not the one that is expected. */
function cpuMs(args: readonly string[], expected = 0): number {
  const { status, stderr, cpuSeconds } = runTimed(process.execPath, args);
  if (status !== expected) throw new Error(`${args.join(' ')} ended with status ${status}\n${stderr.slice(-1000)}`);
  return cpuSeconds * 1000;
}

function wallOfNode(): number {
  const start = performance.now();
  cpuMs(['-e', '0']);
  return performance.now() - start;
}

const row = (name: string, unit: string, [lucid, peer]: Sample[], atMost?: Row['atMost']): Row => ({
  name,
  unit,
  lucid: lucid as Sample,
  peer: { who: NODE, sample: peer as Sample },
  atMost,
});

/** From the start of the process to the first guest instruction. */
export async function benchStart(runs: number): Promise<Row[]> {
  const image = await linux('console=ttyS0 cryptomgr.notests');
  const first = (): number => runLucid({ ...image, says: undefined, limit: 1 }).report.host.startupMs;
  return [row('start', 'ms', alternate(runs, [first, wallOfNode]), { value: 250, of: 'lucid' })];
}

/** Whole short commands. */
export function benchShort(runs: number): Row[] {
  const folder = mkdtempSync(join(tmpdir(), 'lucid-bench-'));
  const before = process.env['XDG_RUNTIME_DIR'];
  // No VM of somebody else's is to be met here.
  process.env['XDG_RUNTIME_DIR'] = folder;
  const lucid = fileOf('vmm/cli/lucid.ts');
  const commands: readonly (readonly [name: string, args: readonly string[], status?: number])[] = [
    ['short-run', [lucid, 'run', '--kernel', fileOf('images/examples/poll.elf'), '--limit', 'insns=1'], 4],
    ['short-expect', [lucid, 'expect', fileOf('images/examples/timer.yaml'), '--', '--kernel', fileOf('images/examples/wait.elf')]],
    ['short-help', [lucid, '--help']],
    ['short-kstat', [fileOf('vmm/cli/kstat.ts')], 1],
  ];
  try {
    const samples = alternate(runs, [
      ...commands.map(
        ([, args, status]) =>
          () =>
            cpuMs(args, status),
      ),
      () => cpuMs(['-e', '0']),
    ]);
    const peer = samples.at(-1) as Sample;
    return commands.map(([name], i) => row(name, 'ms CPU', [samples[i] as Sample, peer]));
  } finally {
    if (before === undefined) delete process.env['XDG_RUNTIME_DIR'];
    else process.env['XDG_RUNTIME_DIR'] = before;
    rmSync(folder, { recursive: true, force: true });
  }
}
