/**
 * Compares an outcome of the core with the host's, and says what differs.
 *
 * @module
 */
import iced from 'iced-x86';
import type { Writer } from './host-code.ts';
import { IN, OUT } from './host-layout.ts';
import { EVERYTHING } from './host-undefined.ts';

const GENERAL = ['rax', 'rcx', 'rdx', 'rbx', 'rsp', 'rbp', 'rsi', 'rdi', 'r8', 'r9', 'r10', 'r11', 'r12', 'r13', 'r14', 'r15'];
const PAGE_FAULT = 14;
const DEBUG = 1;
/** RFLAGS.RF: Intel's processors set it in the image of a trap between two iterations of REP (SDM vol. 3, 18.3.1.1), AMD's do not. */
const RF = 0x10000;
/** End of what Linux gives to programs (TASK_SIZE_MAX). */
const LINUX_FROM = 0x7ffffffff000n;

const view = (b: Uint8Array, at: number) => new DataView(b.buffer, b.byteOffset + at);
const hex = (v: bigint | number) => v.toString(16);

/** True when outcome `n` of the host and the core's agree word for word, as nearly all do. */
function same(w: Writer, n: number, host: Uint32Array, core: Uint32Array): boolean {
  const base = (n * w.shape.outputSize) >> 2;
  const long = w.mode.bits === 64;
  const end = w.shape.outputSize >> 2;
  for (let i = 0; i < (long ? 34 : 16); i++) if (host[base + i] !== core[i] && (long || (i & 1) === 0)) return false;
  for (let i = OUT.WINDOWS >> 2; i < end; i++) if (host[base + i] !== core[i]) return false;
  const vector = host[base + (OUT.VECTOR >> 2)];
  if (vector !== core[OUT.VECTOR >> 2] || host[base + (OUT.ERROR >> 2)] !== core[OUT.ERROR >> 2]) return false;
  const cr2 = OUT.CR2 >> 2;
  if (vector === PAGE_FAULT && (host[base + cr2] !== core[cr2] || host[base + cr2 + 1] !== core[cr2 + 1])) return false;
  const rip = OUT.RIP >> 2;
  const at = host[base + rip] as number;
  if (at !== core[rip]) return false;
  const flags = OUT.FLAGS >> 2;
  return (((host[base + flags] as number) ^ (core[flags] as number)) & ~undefinedAt(w, n, at, vector)) === 0;
}

const words = (b: Uint8Array) => new Uint32Array(b.buffer, b.byteOffset, b.length >> 2);

/** What differs between outcome `n` of the host and the core's at the start of `core`; '' when nothing does. */
export function compare(w: Writer, n: number, host: Uint8Array, core: Uint8Array): string {
  if (w.undefinedFlags[n] === EVERYTHING || same(w, n, words(host), words(core))) return '';
  const size = w.shape.outputSize;
  const a = view(host, n * size);
  const b = view(core, 0);
  const found: string[] = [];
  const differ = (what: string, x: bigint | number, y: bigint | number) => {
    if (x !== y) found.push(`${what} ${hex(x)}, core ${hex(y)}`);
  };
  const vector = a.getUint32(OUT.VECTOR, true);
  differ('vector', vector, b.getUint32(OUT.VECTOR, true));
  // Registers of 16- and 32-bit code have 32 bits; the rest is not its business (SDM vol. 1, 3.4.1.1).
  const bits = w.mode.bits === 64 ? 64 : 32;
  const get = (v: DataView, at: number) => BigInt.asUintN(bits, v.getBigUint64(at, true));
  differ('rip', get(a, OUT.RIP), get(b, OUT.RIP));
  for (let i = 0; i < (bits === 64 ? 16 : 8); i++) differ(GENERAL[i] as string, get(a, 8 * i), get(b, 8 * i));
  const known = ~undefinedAt(w, n, Number(a.getBigUint64(OUT.RIP, true)), vector);
  differ('flags', (a.getUint32(OUT.FLAGS, true) & known) >>> 0, (b.getUint32(OUT.FLAGS, true) & known) >>> 0);
  let error = a.getUint32(OUT.ERROR, true);
  let coreError = b.getUint32(OUT.ERROR, true);
  if (vector === PAGE_FAULT) {
    const cr2 = a.getBigUint64(OUT.CR2, true);
    differ('cr2', cr2, b.getBigUint64(OUT.CR2, true));
    // Linux says "present" of every address of its own; so do the tables of HostCore's protected mode.
    if (cr2 >= LINUX_FROM || (cr2 >= 0xc0000000n && cr2 < 0xc0008000n)) {
      error &= ~1;
      coreError &= ~1;
    }
  }
  if (vector === b.getUint32(OUT.VECTOR, true)) differ('error code', error, coreError);
  let at = OUT.WINDOWS as number;
  for (const window of w.shape.windows) {
    for (let i = 0; i < window.length; i++, at++)
      if (a.getUint8(at) !== b.getUint8(at)) differ(`[${hex(window.address + i)}]`, a.getUint8(at), b.getUint8(at));
  }
  return found.slice(0, 8).join('; ');
}

/** Flags that are undefined, or each vendor's own, when case `n` stops at `rip` with `vector`. */
function undefinedAt(w: Writer, n: number, rip: number, vector: number | undefined): number {
  return undefinedBefore(w, n, rip) | (vector === DEBUG ? RF : 0);
}
function undefinedBefore(w: Writer, n: number, rip: number): number {
  const points = w.undefinedAt[n];
  if (points === undefined) {
    const start = view(w.inputs, n * w.shape.inputSize).getUint32(IN.RIP, true);
    return rip === start ? 0 : (w.undefinedFlags[n] as number);
  }
  for (let i = 0; i < points.length; i += 2) if (points[i] === rip) return points[i + 1] as number;
  return w.undefinedFlags[n] as number;
}

/** The case in words: code, registers, and what came of it. */
export function describe(w: Writer, n: number, host: Uint8Array, core: Uint8Array, difference: string): string {
  const input = view(w.inputs, n * w.shape.inputSize);
  const a = view(host, n * w.shape.outputSize);
  const b = view(core, 0);
  const length = input.getUint32(IN.CODE_LENGTH, true);
  const start = n * w.shape.inputSize + IN.CODE;
  const code = w.inputs.subarray(start, start + length);
  const registers = (v: DataView) => GENERAL.map((name, i) => `${name}=${hex(v.getBigUint64(8 * i, true))}`).join(' ');
  const line = (v: DataView) =>
    `rip=${hex(v.getBigUint64(OUT.RIP, true))} flags=${hex(v.getUint32(OUT.FLAGS, true))} vector=${v.getUint32(OUT.VECTOR, true)} ${registers(v)}`;
  return [
    difference,
    `  ${disassemble(code, w.mode.bits, input.getBigUint64(IN.RIP, true))}   (${w.mode.name}, ${Buffer.from(code).toString('hex')})`,
    `  before rip=${hex(input.getBigUint64(IN.RIP, true))} flags=${hex(input.getUint32(IN.FLAGS, true))} ${registers(input)}`,
    `  host   ${line(a)}`,
    `  core   ${line(b)}`,
  ].join('\n');
}

export function disassemble(code: Uint8Array, bits: number, rip: bigint): string {
  const decoder = new iced.Decoder(bits, code, iced.DecoderOptions.None);
  decoder.ip = rip;
  const formatter = new iced.Formatter(iced.FormatterSyntax.Nasm);
  const text: string[] = [];
  while (decoder.canDecode) {
    const instruction = decoder.decode();
    text.push(formatter.format(instruction));
    instruction.free();
  }
  formatter.free();
  decoder.free();
  return text.join('; ');
}
