/**
 * Small guests of the bench's own: one exit in a loop (`cpuid`, `out`), and four loops without any (`loops`).
 *
 * What starting and ending a guest costs is measured with the same image that does nothing, and taken off.
 *
 * @module
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { multiboot } from '../vmm/guests.ts';
import { type Image, NO_QEMU, qemuName, runLucid, runQemu } from './engines.ts';
import { alternate, type Row, type Sample, sampleOf, Skipped, which } from './measure.ts';

/** Runs `work` with a folder that is gone afterwards. */
function inFolder<T>(work: (folder: string) => T): T {
  const folder = mkdtempSync(join(tmpdir(), 'lucid-bench-'));
  try {
    return work(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const ITERATIONS = 10_000_000;
const EXIT_VALUE = 1;

/** 32-bit code: `setup`, then `body` as often as said (it may use all registers but ESI), then the debug exit. */
function counted(iterations: number, setup: readonly number[], body: readonly number[]): Uint8Array {
  const count = [0xbe, ...new Uint8Array(Uint32Array.of(iterations).buffer)]; // mov esi, iterations
  const back = body.length + 3;
  // test esi,esi; jz +back; body; dec esi; jnz -back
  const loop = [0x85, 0xf6, 0x74, back, ...body, 0x4e, 0x75, 256 - back];
  const end = [0xb0, EXIT_VALUE, 0xe6, 0xf4, 0xf4, 0xeb, 0xfd]; // mov al, 1; out 0xf4, al; hlt; jmp
  return multiboot([...count, ...setup, ...loop, ...end]);
}

/** Nanoseconds for one of the exits that `body` causes. */
function exitRoundTrip(name: string, setup: readonly number[], body: readonly number[], runs: number): Row[] {
  return inFolder((folder) => {
    const image = (iterations: number): Image => {
      const kernel = join(folder, `${name}-${iterations}.elf`);
      writeFileSync(kernel, counted(iterations, setup, body));
      return { kernel, exits: EXIT_VALUE };
    };
    const [full, empty] = [image(ITERATIONS), image(0)];
    const one = (run: (image: Image) => { cpuSeconds: number }) => () =>
      ((run(full).cpuSeconds - run(empty).cpuSeconds) / ITERATIONS) * 1e9;
    const qemu = qemuName();
    const [lucid, peer] = alternate(runs, qemu === undefined ? [one(runLucid)] : [one(runLucid), one(runQemu)]);
    return [
      {
        name,
        unit: 'ns',
        lucid: lucid as Sample,
        ...(peer === undefined ? { missing: NO_QEMU } : { peer: { who: qemu as string, sample: peer } }),
        atMost: { value: 300, of: 'lucid' },
        note: `${ITERATIONS / 1e6} M iterations`,
      },
    ];
  });
}

/** xor eax, eax; cpuid */
export const benchCpuid = (runs: number): Row[] => exitRoundTrip('cpuid', [], [0x31, 0xc0, 0x0f, 0xa2], runs);

/** mov edx, 2f0h (a port with nothing behind it); out dx, al */
export const benchOut = (runs: number): Row[] => exitRoundTrip('out', [0xba, 0xf0, 0x02, 0, 0], [0xee], runs);

const LOOPS = { sieve: 24, crc32: 500, chase: 400, fib: 160 } as const;

const SOURCE = fileURLToPath(new URL('loops/', import.meta.url));
const CFLAGS = [
  ...['-m64', '-march=x86-64', '-O2', '-ffreestanding', '-nostdlib', '-static', '-fno-pic', '-no-pie', '-mcmodel=small', '-mno-red-zone'],
  ...[
    '-fno-stack-protector',
    '-fcf-protection=none',
    '-fno-asynchronous-unwind-tables',
    '-fno-tree-loop-distribute-patterns',
    '-mgeneral-regs-only',
  ],
  ...[`-Wl,-T,${join(SOURCE, 'loops.ld')}`, '-Wl,--build-id=none', '-Wl,-z,noexecstack', '-Wl,--no-warn-rwx-segments'],
];

/** Compiles one loop into a 32-bit multiboot ELF; throws Skipped when there is no compiler. */
function compileLoop(folder: string, loop: string, rounds: number): string {
  const long = join(folder, `${loop}.elf64`);
  const kernel = join(folder, `${loop}.elf`);
  const sources = [join(SOURCE, 'start.S'), join(SOURCE, 'loops.c')];
  const steps: [string, string[]][] = [
    ['gcc', [...CFLAGS, `-DLOOP=${loop}`, `-DROUNDS=${rounds}`, ...sources, '-o', long]],
    ['objcopy', ['-O', 'elf32-i386', long, kernel]],
  ];
  for (const [command, args] of steps) {
    if (which(command) === undefined) throw new Skipped(`${command} is not installed (Debian: gcc, binutils)`);
    const result = spawnSync(command, args, { encoding: 'utf8' });
    if (result.status !== 0) throw new Error(`${command} failed:\n${result.stderr}`);
  }
  return kernel;
}

/** Guest MIPS in CPU time, of each loop. */
export function benchLoops(runs: number): Row[] {
  return inFolder((folder) => {
    const qemu = qemuName();
    const nothing: Image = { kernel: compileLoop(folder, 'nothing', 0), exits: 0 };
    const rows = Object.entries(LOOPS).map(([loop, rounds]): Row => {
      const kernel = compileLoop(folder, loop, rounds);
      return loopRow(loop, { ...nothing, kernel }, nothing, qemu, runs);
    });
    return rows;
  });
}

function loopRow(loop: string, image: Image, nothing: Image, qemu: string | undefined, runs: number): Row {
  // What the loop returns is not known beforehand: the first run says it, and everything after must say the same.
  const first = runLucid({ ...image, exits: 'any' });
  const exits = first.report.outcome.kind === 'debug-exit' ? first.report.outcome.value : 0;
  const known: Image = { ...image, exits };
  const instructions = first.report.instructions - runLucid(nothing).report.instructions;
  const mips = (run: (image: Image) => { cpuSeconds: number }) => () =>
    instructions / 1e6 / (run(known).cpuSeconds - run(nothing).cpuSeconds);
  const [lucid, peer] = alternate(runs, qemu === undefined ? [mips(runLucid)] : [mips(runLucid), mips(runQemu)]);
  return {
    name: `loop ${loop}`,
    unit: 'MIPS',
    lucid: lucid ?? sampleOf([0]),
    ...(peer === undefined ? { missing: NO_QEMU } : { peer: { who: qemu as string, sample: peer } }),
    note: `${Math.round(instructions / 1e6)} M instructions`,
  };
}
