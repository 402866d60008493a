/**
 * Bytes for the decoder: of any kind, or built like instructions, with every field of every encoding free (SDM vol. 2, chapter 2).
 *
 * A structured case has legacy prefixes in any number and order, REX where it counts and where it does not, an opcode map or a VEX prefix,
 * an opcode, ModRM, SIB, displacement and immediate. What comes from a seed is the same every time.
 *
 * @module
 */
import { Code, CodeExt, EncodingKind, Instruction } from 'iced-x86';
import { MODES } from './decode-core.ts';
import { compare, type Extensions, extensions, place, SHOWN, type Tally } from './decode-oracle.ts';

/** mulberry32. */
export function generator(seed: number): () => number {
  let s = seed;
  return () => {
    s = (s + 0x6d2b79f5) | 0;
    let t = Math.imul(s ^ (s >>> 15), 1 | s);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return (t ^ (t >>> 14)) >>> 0;
  };
}

/** Opcode maps by the bytes that lead to them. */
export const MAPS: readonly (readonly number[])[] = [[], [0x0f], [0x0f, 0x38], [0x0f, 0x3a]];
/** Opcodes of a map that lead to others. */
export const ESCAPES: readonly (readonly number[])[] = [[0x0f], [0x38, 0x3a], [], []];

/** VEX prefixes: every map with every pp, L, W; vvvv free and taken; misplaced and reserved ones. */
export function vexSets(): number[][] {
  const sets: number[][] = [];
  for (const map of [0, 1, 2, 3, 4]) {
    for (let low = 0; low < 8; low++) for (const high of [0x78, 0xf8, 0x70]) sets.push([0xc4, 0xe0 | map, high | low]);
  }
  for (let low = 0; low < 8; low++) sets.push([0xc5, 0xf8 | low]);
  for (const before of [0x66, 0xf2, 0xf3, 0xf0]) sets.push([before, 0xc4, 0xe2, 0x79], [before, 0xc5, 0xf8]);
  return sets;
}

const PREFIXES = [0x66, 0x66, 0x67, 0xf2, 0xf3, 0xf0, 0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65];
/** How many prefixes, by a random nibble; a VEX prefix wants fewer, as most are #UD before it. */
const COUNTS = [0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 2, 2, 3, 4, 6, 13];
const VEX_COUNTS = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 2, 3, 11];
/** Displacements and immediates at edges. */
const EDGES = [0, 1, 0x7f, 0x80, 0xff, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff, 0x7fff_f000, 0xffff_f000, 0x1000, 0x8000];

function prefixes(code: number[], n: number, random: () => number): void {
  for (; n > 0; n--) {
    const r = random();
    // One in eight is a REX, or INC and DEC.
    code.push(r & 7 ? (PREFIXES[(r >>> 3) % PREFIXES.length] as number) : 0x40 | ((r >>> 3) & 15));
  }
}

/** C5 and one byte, or C4 and two; map and vvvv mostly as instructions have them. */
function vex(code: number[], random: () => number): void {
  const r = random();
  const vvvv = r & 1 ? 0x78 : (r >>> 1) & 0x78;
  const pp = (r >>> 8) & 3;
  const l = (r >>> 10) & 4;
  if ((r >>> 13) & 3) {
    const rxb = r & 0x4000 ? 0xe0 : (r >>> 16) & 0xe0;
    const map = (r >>> 24) & 15 ? 1 + ((r >>> 28) % 3) : r >>> 27;
    code.push(0xc4, rxb | map, (random() & 0x80) | vvvv | l | pp);
  } else code.push(0xc5, (random() & 0x80) | vvvv | l | pp);
}

/** Opcodes with a group behind them, or that want a SIB byte: met more often than by chance. Of map 0F, and of VEX by map. */
const GROUPS = [0x01, 0x71, 0x72, 0x73, 0xae, 0xae, 0xc7];
const VEX_GROUPS = [[], [0x71, 0x72, 0x73, 0xae], [0x18, 0x90, 0x91, 0x92, 0x93, 0xf3], []];

/** Puts one of them in the place of the opcode at the end of `code`; a gather's ModRM byte gets a SIB byte. */
function favour(code: number[], isVex: boolean, random: () => number): void {
  const at = code.length - 2;
  const map = code[at - 3] === 0xc4 ? (code[at - 2] as number) & 31 : 1;
  const choice = isVex ? (VEX_GROUPS[map] ?? []) : code[at - 1] === 0x0f ? GROUPS : [];
  if (choice.length === 0) return;
  code[at] = choice[random() % choice.length] as number;
  if (isVex && (code[at] as number) >> 4 === 9) code[at + 1] = ((code[at + 1] as number) & 0xf8) | 4;
}

/** Puts a case into a slot. */
export function randomSlot(slot: number, random: () => number): void {
  const shape = random();
  if ((shape & 7) === 0) {
    place(slot, [], random);
    return;
  }
  const code: number[] = [];
  const isVex = ((shape >>> 3) & 3) === 0;
  prefixes(code, (isVex ? VEX_COUNTS : COUNTS)[(shape >>> 8) & 15] as number, random);
  if (isVex) vex(code, random);
  else {
    if ((shape >>> 12) & 1) code.push(0x40 | (random() & 15));
    code.push(...(MAPS[[0, 0, 0, 1, 1, 1, 2, 3][(shape >>> 13) & 7] as number] as number[]));
  }
  code.push(random() & 255, random() & 255);
  if (((shape >>> 18) & 7) === 0) favour(code, isVex, random);
  if ((shape >>> 16) & 1) code.push(random() & 255);
  if ((shape >>> 17) & 1) {
    const edge = EDGES[random() % EDGES.length] as number;
    code.push(edge & 255, (edge >>> 8) & 255, (edge >>> 16) & 255, edge >>> 24);
  }
  place(slot, code, random);
}

const ALL = extensions(SHOWN);

/** Half of the time all extensions, else a part of them, or none. */
function someExtensions(random: () => number): Extensions {
  const r = random();
  if (r & 1) return ALL;
  if ((r & 14) === 0) return extensions([]);
  const keep = random();
  return extensions(SHOWN.filter((_, i) => (keep >>> i) & 1 || (r >>> (i & 15)) & 16));
}

const BATCH = 2048;

/** Compares at least `cases` cases from a seed, spread over the modes; `progress` hears of every batch. */
export function compareRandom(seed: number, cases: number, sum: Tally, progress: () => void = () => {}): void {
  const random = generator(seed);
  for (let end = sum.compared + cases; sum.compared < end; progress()) {
    for (let slot = 0; slot < BATCH; slot++) randomSlot(slot, random);
    const have = someExtensions(random);
    for (const mode of MODES) compare(Math.min(BATCH, end - sum.compared), mode, have, sum);
  }
}

/** iced's encodings that an Intel processor with all our extensions has and the decoder decodes as instructions. */
export function encodingsOf(have: Extensions): Code[] {
  const found: Code[] = [];
  const ins = new Instruction();
  for (let code = 1 as Code; code < Object.keys(Code).length / 2; code++) {
    const info = CodeExt.opCode(code);
    ins.code = code;
    const features = [...ins.cpuidFeatures()];
    const wanted =
      info.isInstruction &&
      // FSTENV and its like are two instructions; ForceReservedNop knows no prefetch.
      !info.fwait &&
      !/^(Prefetch|Nop_rm)/.test(Code[code] as string) &&
      (info.intelDecoder16 || info.intelDecoder32 || info.intelDecoder64) &&
      (info.encoding === EncodingKind.Legacy || info.encoding === EncodingKind.VEX) &&
      features.every((f) => have.have.has(f));
    info.free();
    if (wanted) found.push(code);
  }
  ins.free();
  return found;
}
