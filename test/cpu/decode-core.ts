/**
 * The core's decoder built alone, for the decoder tests: bytes in, micro-ops out.
 *
 * @module
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { basename } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { ISA, MEMORY_MAP, VM_AREA } from '../../vmm/cpu/layout.ts';

const root = fileURLToPath(new URL('../../', import.meta.url));
export const CPU = MEMORY_MAP.VCPU_BASE;
/** Where the tests put code (page-aligned) and where the decoder puts micro-ops. */
export const CODE = MEMORY_MAP.RAM_BASE;
export const UOPS = MEMORY_MAP.UOPS;

/** Code sizes as the core numbers them. */
export const MODES = [
  { mode: 0, bits: 16 },
  { mode: 1, bits: 32 },
  { mode: 2, bits: 64 },
] as const;
export type Bits = (typeof MODES)[number]['bits'];

interface Decoder {
  decodeAlone(bytes: number, count: number, offset: number, mode: number, at: number): number;
  decodeLine(cpu: number, host: number, mode: number, at: number): number;
}

/** The `export const NAME: u32 = NUMBER;` of a core source. */
export function constants(file: string): Record<string, number> {
  const text = readFileSync(`${root}vmm/cpu/core/${file}`, 'utf8');
  const found: Record<string, number> = {};
  for (const [, name, value] of text.matchAll(/^export const (\w+): u32 = (0x[\da-f]+|\d+);/gm)) found[name as string] = Number(value);
  return found;
}

function load(): { decoder: Decoder; memory: WebAssembly.Memory } {
  mkdirSync(`${root}build`, { recursive: true });
  // Test files run at the same time: each builds its own.
  const output = `${root}build/${basename(process.argv[1] ?? 'decode', '.test.ts')}.wasm`;
  const options =
    '-O2 --runtime stub --importMemory --sharedMemory --initialMemory 1040 --maximumMemory 65536 --memoryBase 65536 --noAssert';
  const features = ['--enable', 'threads,simd,bulk-memory'];
  execFileSync(
    process.execPath,
    [`${root}node_modules/assemblyscript/bin/asc.js`, 'vmm/cpu/core/decode.ts', '-o', output, ...options.split(' '), ...features],
    { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] },
  );
  const memory = new WebAssembly.Memory({ initial: 1040, maximum: 65536, shared: true });
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(readFileSync(output)), { env: { memory } });
  return { decoder: exports as unknown as Decoder, memory };
}

const loaded = load();
export const decoder: Decoder = loaded.decoder;
export const bytes = new Uint8Array(loaded.memory.buffer);
export const view = new DataView(loaded.memory.buffer);

export type Isa = keyof typeof ISA;

/** Tells the decoder the extensions that CPUID has. */
export function setIsa(names: readonly Isa[]): void {
  view.setBigUint64(
    MEMORY_MAP.VM_BASE + VM_AREA.ISA,
    names.reduce((bits, name) => bits | BigInt(ISA[name]), 0n),
    true,
  );
}
