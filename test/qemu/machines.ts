/**
 * The two that run the cases: QEMU, its RAM a file that both sides see, and this project's machine.
 *
 * Both start the same harness again and again until it has gone through the batch: after a triple fault the harness itself notes it, and a
 * case in which nothing moves any more is noted from here.
 *
 * @module
 */
import { spawn, spawnSync } from 'node:child_process';
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, readSync, rmSync, writeSync, ftruncateSync } from 'node:fs';
import { join } from 'node:path';
import { tmpdir } from 'node:os';
import { MEMORY_MAP } from '../../vmm/cpu/layout.ts';
import { Machine } from '../../vmm/machine.ts';
import { type Case, encode } from './case.ts';
import { ENVIRONMENTS, template } from './environments.ts';
import type { Absent, Harness } from './harness.ts';
import * as L from './layout.ts';

const QEMU = 'qemu-system-x86_64';
const DEBUG_EXIT = 0xf4;
/** All that QEMU has, as an Intel processor, without what only AMD's have. */
const MODEL = 'max,vendor=GenuineIntel,-svm,-monitor,-3dnow,-3dnowext,-sse4a,-mmxext';

/** Guest memory of one of the two. */
interface Memory {
  read(at: number, bytes: number): Uint8Array;
  write(at: number, bytes: Uint8Array): void;
}

export interface Runner {
  readonly name: string;
  /** Results of the cases, RESULT_BYTES each. */
  run(cases: readonly Case[]): Promise<Uint8Array>;
  /** What CPUID said to the harness in the last run. */
  cpuid(): Uint32Array;
  close(): void;
}

function word(memory: Memory, at: number): number {
  const b = memory.read(at, 4);
  return new DataView(b.buffer, b.byteOffset).getUint32(0, true);
}

function putWord(memory: Memory, at: number, value: number): void {
  const b = new Uint8Array(4);
  new DataView(b.buffer).setUint32(0, value, true);
  memory.write(at, b);
}

function place(memory: Memory, harness: Harness, cases: readonly Case[]): void {
  memory.write(L.CONTROL, new Uint8Array(0x1000));
  for (const [i, environment] of ENVIRONMENTS.entries()) memory.write(L.TEMPLATES + i * L.ARENA_BYTES, template(environment, harness));
  memory.write(L.CASES, encode(cases));
  memory.write(L.RESULTS, new Uint8Array(cases.length * L.RESULT_BYTES));
  putWord(memory, L.CONTROL + L.CTL.COUNT, cases.length);
}

const finished = (memory: Memory): boolean => word(memory, L.CONTROL + L.CTL.DONE) === L.DONE_MAGIC;

/** Notes that the case at hand ended so, and goes past it. */
function skip(memory: Memory, status: number): void {
  const next = word(memory, L.CONTROL + L.CTL.NEXT);
  putWord(memory, L.RESULTS + next * L.RESULT_BYTES + L.SAVE.STATUS, status);
  putWord(memory, L.CONTROL + L.CTL.NEXT, next + 1);
  putWord(memory, L.CONTROL + L.CTL.BUSY, 0);
}

function leaves(memory: Memory): Uint32Array {
  return new Uint32Array(memory.read(L.CONTROL + L.CTL.CPUID, 16 * L.CPUID_LEAVES.length).slice().buffer);
}

/** QEMU's version, or why it cannot be used. */
export function findQemu(): { version: string } | Absent {
  const found = spawnSync(QEMU, ['--version'], { encoding: 'utf8' });
  if (found.error !== undefined || found.status !== 0) return { reason: `${QEMU} is not installed` };
  return { version: /version (\S+)/.exec(found.stdout)?.[1] ?? '?' };
}

/** Seconds of processor time without a new case after which one counts as hanging. */
const HANG_SECONDS = 3;
/** Seconds in which it uses none at all, after which it counts as halted for ever. */
const IDLE_SECONDS = 5;
/** Ticks of utime and stime in /proc, as Linux has them everywhere. */
const TICKS = 100;

/** Processor time that a process has used, in seconds; where there is no /proc, the time of day. */
function secondsOf(pid: number): number {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]?.split(' ') ?? [];
    return (Number(fields[11]) + Number(fields[12])) / TICKS;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    return performance.now() / 1000;
  }
}

class FileMemory implements Memory {
  readonly #file: number;

  constructor(path: string) {
    this.#file = openSync(path, 'w+');
    ftruncateSync(this.#file, L.RAM_BYTES);
  }

  read(at: number, bytes: number): Uint8Array {
    const into = new Uint8Array(bytes);
    readSync(this.#file, into, 0, bytes, at);
    return into;
  }

  write(at: number, bytes: Uint8Array): void {
    writeSync(this.#file, bytes, 0, bytes.length, at);
  }

  close(): void {
    closeSync(this.#file);
  }
}

export function qemu(harness: Harness): Runner {
  const folder = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'lucid-qemu-'));
  const path = join(folder, 'ram');
  const memory = new FileMemory(path);
  const ram = `memory-backend-file,id=ram,size=${L.RAM_BYTES},mem-path=${path},share=on`;
  const args = ['-object', ram, '-machine', 'pc,memory-backend=ram', '-m', String(L.RAM_BYTES >> 20), '-cpu', MODEL, '-accel', 'tcg'];
  args.push('-kernel', harness.file, '-display', 'none', '-nodefaults', '-no-reboot', '-device', `isa-debug-exit,iobase=${DEBUG_EXIT}`);

  /** One start: until the process ends, or a case hangs. */
  const start = (): Promise<void> =>
    new Promise((resolve, reject) => {
      const child = spawn(QEMU, args, { stdio: ['ignore', 'ignore', 'pipe'] });
      let errors = '';
      let last = -1;
      let since = 0;
      let spent = 0;
      let idle = 0;
      child.stderr.on('data', (chunk) => {
        errors += chunk;
      });
      const watch = setInterval(() => {
        const next = word(memory, L.CONTROL + L.CTL.NEXT);
        const seconds = secondsOf(child.pid as number);
        if (next !== last) since = seconds;
        // A processor that halts for ever uses no time.
        idle = next === last && seconds === spent ? idle + 1 : 0;
        spent = seconds;
        last = next;
        if (seconds - since < HANG_SECONDS && idle < IDLE_SECONDS) return;
        child.kill('SIGKILL');
        since = Number.POSITIVE_INFINITY;
        if (word(memory, L.CONTROL + L.CTL.BUSY) !== 0) skip(memory, L.STATUS.HANG);
      }, 1000);
      child.on('error', reject);
      child.on('close', () => {
        clearInterval(watch);
        const busy = word(memory, L.CONTROL + L.CTL.BUSY) !== 0;
        if (errors === '' || finished(memory)) return resolve();
        // It gave up in the middle of a case ("tcg fatal error"), or cannot start at all.
        if (!busy) return reject(new Error(`${QEMU}: ${errors}`));
        skip(memory, L.STATUS.CRASH);
        resolve();
      });
    });

  return {
    name: 'QEMU',
    async run(cases) {
      place(memory, harness, cases);
      while (!finished(memory)) await start();
      return memory.read(L.RESULTS, cases.length * L.RESULT_BYTES);
    },
    cpuid: () => leaves(memory),
    close() {
      memory.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Instructions that one case may take in all. */
const HANG_INSTRUCTIONS = 2_000_000;

export function lucid(harness: Harness): Runner {
  const machine = Machine.createSync({
    memory: L.RAM_BYTES,
    cpu: 'max',
    debugExit: DEBUG_EXIT,
    load: () => ({ kernel: harness.bytes, kernelName: 'harness' }),
    output: () => {},
  });
  const { vm, vcpu } = machine;
  const memory: Memory = {
    read: (at, bytes) => vm.ram.bytes.slice(MEMORY_MAP.RAM_BASE + at, MEMORY_MAP.RAM_BASE + at + bytes),
    write: (at, bytes) => vm.ram.write(at, bytes),
  };
  const boot = (): void => {
    const result = machine.reset();
    if (!result.ok) throw new Error(result.reason);
  };

  /** One start: until the machine ends, or a case hangs. */
  const start = (): void => {
    let last = -1;
    for (;;) {
      const outcome = machine.run({ insns: vcpu.instructions + HANG_INSTRUCTIONS });
      if (outcome.kind === 'died' && outcome.why !== 'triple fault') {
        if (finished(memory)) return;
        // A halt for ever is a hang. Code in what is no RAM has no answer on this board.
        const outside = /fetch from an address that is not RAM/.test(outcome.why);
        if (!outside && !/halt|HLT/i.test(outcome.why)) throw new Error(`case ${word(memory, L.CONTROL + L.CTL.NEXT)}: ${outcome.why}`);
        skip(memory, outside ? L.STATUS.OUTSIDE : L.STATUS.HANG);
        return;
      }
      if (outcome.kind !== 'limit') return;
      const next = word(memory, L.CONTROL + L.CTL.NEXT);
      if (next === last) {
        skip(memory, L.STATUS.HANG);
        return;
      }
      last = next;
    }
  };

  return {
    name: 'Lucid',
    async run(cases) {
      place(memory, harness, cases);
      for (let last = -1; !finished(memory); last = word(memory, L.CONTROL + L.CTL.NEXT)) {
        if (last >= cases.length) throw new Error('the harness does not come to its end');
        boot();
        start();
      }
      return memory.read(L.RESULTS, cases.length * L.RESULT_BYTES);
    },
    cpuid: () => leaves(memory),
    close() {},
  };
}
