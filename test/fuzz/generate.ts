/**
 * Writes cases: code with its state, from a seed.
 *
 * A case is one instruction, or two to eight, or one with a changed byte; then a jump to EXIT. Operands lie in "windows", whose contents are part of the
 * case, at places that are mostly harmless and now and then not: misaligned, across pages of every kind, missing, not canonical. Registers that find
 * operands are "pinned" once they hold what they must.
 *
 * @module
 */
import iced from 'iced-x86';
import type { Domain, Form } from './forms.ts';
import { AFTER, AREA, AT, BATCH, CODE, CODE_ROOM, DATA, EXIT, MEMORY_ROOM, MISSING, RECORD, SEGMENTS, STACK, WINDOWS } from './record.ts';
import { looseOf, undefinedFlags } from './undefined.ts';
import { Pool, POOL, Random } from './values.ts';

const K = iced.OpCodeOperandKind;
const RAX = 0;
const RCX = 1;
const RDX = 2;
const RBX = 3;
const RSP = 4;
const RBP = 5;
const RSI = 6;
const RDI = 7;
const ALL = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15];
/** In sequences: registers that change, and those that find operands. */
const CHANGING = [RAX, RCX, RDX, RSI, RDI, RBP, 8, 9, 10, 11];
const FINDING = [12, 13, 14, 15];
const SEGMENT_PREFIXES = [0x26, 0x2e, 0x36, 0x3e];
const STATUS_FLAGS = 0x8d5;
/** bswap rbx: shows whether a branch was taken. */
const MARKER = [0x48, 0x0f, 0xcb];
const EFLAGS_OF = [0x800, 0x80, 0x40, 0x10, 1, 4, 0x400];
const eflags = (iced: number): number => EFLAGS_OF.reduce((sum, bit, i) => sum | ((iced >> i) & 1 ? bit : 0), 0);

/** Selectors that mean the same here and in the core's GDT: null, user data, user code. */
const SELECTORS = [0, 3, 0x2b, 0x2b, 0x2b, 0x33, 0xfffb];

/** Kinds that stand in ModRM.rm and may be memory. */
const OR_MEMORY = new Set<number>([K.r8_or_mem, K.r16_or_mem, K.r32_or_mem, K.r64_or_mem, K.mm_or_mem, K.xmm_or_mem, K.ymm_or_mem]);
const VSIB = new Set<number>([K.mem_vsib32x, K.mem_vsib64x, K.mem_vsib32y, K.mem_vsib64y]);
const ONLY_MEMORY = new Set<number>([K.mem, K.mem_mib, ...VSIB]);
const ONLY_RM = new Set<number>([K.r16_rm, K.r32_rm, K.r64_rm, K.mm_rm, K.xmm_rm, K.ymm_rm]);
const REG = new Set<number>([
  K.r8_reg,
  K.r16_reg,
  K.r16_reg_mem,
  K.r32_reg,
  K.r32_reg_mem,
  K.r64_reg,
  K.r64_reg_mem,
  K.seg_reg,
  K.mm_reg,
  K.xmm_reg,
  K.ymm_reg,
  K.cr_reg,
  K.dr_reg,
]);
const VECTOR_REG = new Set<number>([K.xmm_reg, K.ymm_reg, K.xmm_rm, K.ymm_rm, K.xmm_or_mem, K.ymm_or_mem]);
const SMALL_REG = new Set<number>([K.mm_reg, K.mm_rm, K.mm_or_mem, K.seg_reg]);
const VVVV = new Set<number>([K.r32_vvvv, K.r64_vvvv, K.xmm_vvvv, K.ymm_vvvv]);
const IS4 = new Set<number>([K.xmm_is4, K.ymm_is4]);
const OPCODE_REG = new Set<number>([K.r8_opcode, K.r16_opcode, K.r32_opcode, K.r64_opcode]);

/** Instructions whose operands take some care; they are not part of sequences. */
const CAREFUL =
  /^(Pause|Movsxd_r16|Sha|Fu?com|Fi?com|Ftst|Div|Idiv|Xlat|Cmpxchg|Bt[src]?$|Shld|Shrd|Maskmov|Vmaskmovdqu|Enter|Leave|Xsave|Xrstor|Fx|Ldmxcsr|Vldmxcsr|Lss|Lfs|Lgs|Lar|Lsl|Verr|Verw|Wr|Rd|Int|Popf|Fldenv|Frstor|Fnsave|Fsave|Hlt|In$|Out|Ud|Cli|Sti|Cpuid|Xgetbv|Pcmp.str|Vpcmp.str|Mov_Sreg|Lgdt|Lidt|Lldt|Ltr|Lmsw|Invlpg|Swapgs|Clts|Invd|Wbinvd|Rsm|Mov_..._[cd]r|Mov_[cd]r|Vp?gather|Clac|Stac|Xsetbv|Invpcid)/;

interface Memory {
  mod: number;
  rm: number;
  sib: number;
  displacement: number;
  bytes: 0 | 1 | 4;
  x: number;
  b: number;
  segment: number;
  a32: boolean;
  relative: boolean;
}

/** What a batch knows about its cases besides their records. */
export interface Cases {
  readonly forms: Form[][];
  /** Flags that are undefined at the end of the case; and at any place in it. */
  readonly undefinedEnd: Uint32Array;
  readonly undefinedAny: Uint32Array;
  /** Numbers of the registers that are operands of a single instruction. */
  readonly operands: Uint32Array;
  /** Address of the memory operand of a single instruction, or 0. */
  readonly targets: Uint32Array;
}

export const newCases = (): Cases => ({
  forms: Array.from({ length: BATCH }, () => []),
  undefinedEnd: new Uint32Array(BATCH),
  undefinedAny: new Uint32Array(BATCH),
  operands: new Uint32Array(BATCH),
  targets: new Uint32Array(BATCH),
});

/** Batches of an epoch: each begins from numbers of its own, so that a case is found again without all that came before it. */
export const EPOCH = 64;

export interface Options {
  /** Only forms whose name or mnemonic this is part of. */
  readonly only?: string;
  /** One in so many cases is a sequence; 0 = none. */
  readonly sequences?: number;
  /** One in so many cases has a changed byte; 0 = none. */
  readonly mutants?: number;
  /** The first epoch. */
  readonly epoch?: number;
}

export class Generator {
  random: Random;
  readonly #seed: number;
  #batch: number;
  readonly #forms: readonly Form[];
  readonly #byCode: ReadonlyMap<number, Form>;
  readonly #movable: Readonly<Record<'general' | 'simd' | 'x87', readonly Form[]>>;
  readonly #jumps: readonly Form[];
  readonly #avx: boolean;
  readonly #compacted: boolean;
  readonly #bytes: Uint8Array;
  readonly #u32: Uint32Array;
  readonly #pools: Readonly<Record<Domain, Pool>>;
  readonly #options: Options;
  #next = 0;

  // The case being written.
  #at = 0;
  #rip = 0;
  #length = 0;
  #pinned = 0;
  #windows = 0;
  #memory = 0;
  #registers: readonly number[] = ALL;
  #bases: readonly number[] = ALL;
  #operands = 0;
  #target = 0;
  #count = -1;
  /** A string instruction has 32-bit addresses. */
  #narrow = false;

  /** `bytes` hold the records, and room for the pools from `pools` on. */
  constructor(bytes: Uint8Array, pools: number, forms: readonly Form[], seed: number, options: Options = {}) {
    this.random = new Random(seed);
    this.#seed = seed;
    this.#batch = (options.epoch ?? 0) * EPOCH;
    this.#bytes = bytes;
    this.#u32 = new Uint32Array(bytes.buffer);
    this.#options = options;
    const only = options.only?.toLowerCase();
    const exact = forms.filter((f) => f.mnemonic.toLowerCase() === only || f.name.toLowerCase() === only);
    this.#forms = only === undefined ? forms : exact.length > 0 ? exact : forms.filter((f) => f.name.toLowerCase().includes(only));
    this.#byCode = new Map(forms.map((f) => [f.code, f]));
    const movable = forms.filter(
      (f) =>
        !f.branch && !f.string && !f.stack && !f.fwait && !CAREFUL.test(f.mnemonic) && !CAREFUL.test(f.name) && looseOf(f) === undefined,
    );
    this.#movable = {
      general: movable.filter((f) => !f.x87 && !f.mmx && !f.simd),
      simd: movable.filter((f) => f.simd && !f.mmx),
      x87: movable.filter((f) => f.x87 || f.mmx),
    };
    this.#jumps = forms.filter((f) => /^J.+_rel8_64$/.test(f.name) && f.flagsRead !== 0);
    this.#compacted = forms.some((f) => f.mnemonic === 'Xsavec');
    this.#avx = forms.some((f) => f.features.includes('AVX'));
    const r = this.random;
    this.#pools = {
      int: new Pool(r, 'int', bytes, pools),
      f16: new Pool(r, 'f16', bytes, pools + 1 * POOL),
      f32: new Pool(r, 'f32', bytes, pools + 2 * POOL),
      f64: new Pool(r, 'f64', bytes, pools + 3 * POOL),
      f80: new Pool(r, 'f80', bytes, pools + 4 * POOL),
    };
  }

  get forms(): readonly Form[] {
    return this.#forms;
  }

  /** Writes `count` cases to the records from byte `at`. */
  batch(at: number, count: number, cases: Cases): void {
    const pools = Object.values(this.#pools);
    if (this.#batch % EPOCH === 0) {
      this.random = new Random((this.#seed + Math.imul(this.#batch, 0x9e3779b1)) | 0);
      this.#next = 0;
      for (const pool of pools) pool.refresh(this.random, POOL);
    }
    this.#batch++;
    const r = this.random;
    for (const pool of pools) pool.refresh(r, 1024);
    let rip = CODE + 16 + r.below(64);
    for (let n = 0; n < count; n++) {
      this.#at = at + n * RECORD;
      this.#rip = rip;
      const list = cases.forms[n] as Form[];
      list.length = 0;
      cases.undefinedEnd[n] = cases.undefinedAny[n] = 0;
      const { sequences = 5, mutants = 24 } = this.#options;
      if (sequences > 0 && r.oneIn(sequences)) this.#sequence(n, list, cases);
      else if (mutants > 0 && r.oneIn(mutants)) this.#mutant(n, list, cases);
      else this.#single(n, list, cases);
      this.#end();
      rip += this.#length + 1 + r.below(12);
    }
  }

  #nextForm(): Form {
    // Every form in turn, in an order that differs from round to round.
    if (this.#next % this.#forms.length === 0) this.#shuffle();
    return this.#forms[this.#order[this.#next++ % this.#forms.length] as number] as Form;
  }

  #order = new Uint16Array(0);
  #shuffle(): void {
    this.#order = Uint16Array.from(this.#forms, (_, i) => i);
    for (let i = this.#order.length - 1; i > 0; i--) {
      const k = this.random.below(i + 1);
      const t = this.#order[i] as number;
      this.#order[i] = this.#order[k] as number;
      this.#order[k] = t;
    }
  }

  #single(n: number, list: Form[], cases: Cases): void {
    const f = this.#nextForm();
    this.#begin(f.domain, f);
    this.#instruction(f);
    list.push(f);
    const flags = undefinedFlags(f.mnemonic, f.osz || 8, this.#count);
    cases.undefinedEnd[n] = flags;
    cases.undefinedAny[n] = 0;
    cases.operands[n] = this.#operands;
    cases.targets[n] = this.#target;
  }

  #sequence(n: number, list: Form[], cases: Cases): void {
    const r = this.random;
    const family = r.oneIn(4) ? 'simd' : r.oneIn(5) ? 'x87' : 'general';
    const some = this.#movable[family];
    const first = r.pick(some);
    this.#begin(first.domain, first);
    this.#registers = CHANGING;
    this.#bases = FINDING;
    let open = 0;
    let any = 0;
    let skip = -1;
    let skipped = 0;
    for (let i = 1 + r.below(7); i >= 0; i--) {
      let f = i === 0 && list.length === 0 ? first : r.oneIn(5) ? r.pick(this.#movable.general) : r.pick(some);
      if (r.oneIn(5) && skip < 0 && i > 0) f = r.pick(this.#jumps);
      if (this.#length > CODE_ROOM - 22) break;
      // Nothing reads a flag that is undefined.
      if ((eflags(f.flagsRead) & open) !== 0) continue;
      this.#count = -1;
      if (f.branch) {
        skip = this.#length + 1;
        skipped = 2;
        this.#put(f.opcode[0] as number);
        this.#put(0);
      } else this.#instruction(f);
      list.push(f);
      const flags = undefinedFlags(f.mnemonic, f.osz || 8, -1);
      // A count that is not known may leave flags as they were.
      if (!f.shift && skip < 0) open &= ~eflags(f.flagsWritten);
      open |= flags;
      any |= flags;
      if (skip >= 0 && --skipped === 0) {
        this.#bytes[this.#at + AT.CODE + skip] = this.#length - skip - 1;
        skip = -1;
      }
    }
    if (skip >= 0) this.#bytes[this.#at + AT.CODE + skip] = this.#length - skip - 1;
    cases.undefinedEnd[n] = open;
    cases.undefinedAny[n] = any;
    cases.operands[n] = 0;
    cases.targets[n] = 0;
  }

  #mutant(n: number, list: Form[], cases: Cases): void {
    const r = this.random;
    for (let tries = 0; tries < 8; tries++) {
      const f = r.pick(this.#forms);
      this.#begin(f.domain, f);
      this.#instruction(f);
      const start = this.#at + AT.CODE;
      if (r.oneIn(2)) {
        this.#bytes.copyWithin(start + 1, start, start + this.#length);
        this.#bytes[start] = r.pick([0x66, 0x67, 0xf2, 0xf3, 0xf0, 0x40 + r.below(16), 0x2e, 0x36, 0x0f]);
        this.#length++;
      } else {
        const where = start + r.below(Math.min(5, this.#length));
        this.#bytes[where] = (this.#bytes[where] as number) ^ (r.oneIn(2) ? 1 << r.below(8) : r.u32());
      }
      // Memory operands are where they happen to be: near the data.
      for (const n of ALL) if (n !== RCX) this.#set(n, DATA + 0x480 + r.below(32));
      this.#set(RSP, STACK + 0x800);
      this.#set(RCX, r.below(8));
      this.#windows = this.#memory = 0;
      this.#window(DATA + 0x400, 320, 'int');
      this.#window(STACK + 0x780, 256, 'int');
      if (this.#allowed(list)) break;
      this.#length = 0;
      this.#bytes.fill(0x90, start, start + 15);
      this.#length = 1;
    }
    const f = list[0];
    cases.undefinedEnd[n] = f ? undefinedFlags(f.mnemonic, f.osz || 8, -1) : 0;
    cases.undefinedAny[n] = 0;
    cases.operands[n] = 0;
    cases.targets[n] = 0;
  }

  readonly #scratch = new Uint8Array(16);
  /** Whether changed code is something that both sides should agree on: what iced takes for a form of the table that needs no care, or for invalid. */
  #allowed(list: Form[]): boolean {
    this.#scratch.fill(0x90);
    this.#scratch.set(this.#bytes.subarray(this.#at + AT.CODE, this.#at + AT.CODE + Math.min(15, this.#length)));
    const decoder = new iced.Decoder(64, this.#scratch, iced.DecoderOptions.NoInvalidCheck);
    const i = decoder.decode();
    const code = i.code;
    const length = i.length;
    // Operands that the registers, which are about DATA, do not keep there: other bases, two registers, far displacements.
    const based =
      i.segmentPrefix >= iced.Register.FS || i.memoryIndex !== iced.Register.None || i.isIpRelMemoryOperand || i.memoryDisplSize > 1;
    i.free();
    decoder.free();
    const strict = new iced.Decoder(64, this.#scratch, iced.DecoderOptions.None);
    const s = strict.decode();
    const valid = s.code === code;
    s.free();
    strict.free();
    if (!valid || based || length > this.#length) return false;
    const f = this.#byCode.get(code);
    if (
      f === undefined ||
      f.onlyMemory ||
      f.branch ||
      f.string ||
      f.stack ||
      CAREFUL.test(f.mnemonic) ||
      CAREFUL.test(f.name) ||
      looseOf(f)
    )
      return false;
    list.push(f);
    this.#length = length;
    return true;
  }

  #begin(domain: Domain, f: Form): void {
    const r = this.random;
    const at = this.#at;
    const bytes = this.#bytes;
    this.#length = this.#pinned = this.#windows = this.#memory = this.#operands = this.#target = 0;
    this.#count = -1;
    this.#registers = this.#bases = ALL;
    let place = this.#pools.int.place(r);
    bytes.copyWithin(at, place, place + 128);
    if (r.oneIn(8)) this.#copyRegister(r.below(16), r.below(16));
    const words = this.#u32;
    words[(at + AT.FLAGS) >> 2] =
      0x202 |
      (r.u32() & STATUS_FLAGS) |
      (r.oneIn(16) ? 0x400 : 0) |
      (r.oneIn(96) ? 0x40000 : 0) |
      (r.oneIn(64) ? 0x200000 : 0) |
      (r.oneIn(200) ? 0x4000 : 0);
    words[(at + AT.WHAT) >> 2] = 0;
    words[(at + AT.MXCSR) >> 2] = this.#mxcsr(f.simd || f.mmx);
    this.#x87(f.x87 || f.mmx);
    const st = f.mmx && !r.oneIn(4) ? this.#pools[domain === 'f80' ? 'int' : domain] : this.#pools.f80;
    place = st.place(r);
    bytes.copyWithin(at + AT.ST, place, place + 128);
    if (st !== this.#pools.f80) for (let i = 0; i < 8; i++) words[(at + AT.ST + 16 * i + 8) >> 2] = 0xffff;
    for (let i = 0; i < 8; i++) {
      words[(at + AT.ST + 16 * i + 8) >> 2] = (words[(at + AT.ST + 16 * i + 8) >> 2] as number) & 0xffff;
      words[(at + AT.ST + 16 * i + 12) >> 2] = 0;
    }
    const vectors = this.#pools[domain === 'f80' ? 'int' : domain === 'int' && r.oneIn(8) ? 'f32' : domain];
    place = vectors.place(r);
    bytes.copyWithin(at + AT.YMM, place, place + 512);
    if (r.oneIn(4)) {
      const from = at + AT.YMM + 32 * r.below(16);
      bytes.copyWithin(at + AT.YMM + 32 * r.below(16), from, from + 32);
    }
    for (let i = 0; i < 2 * WINDOWS; i++) words[(at + AT.WINDOW + 4 * i) >> 2] = 0;
  }

  #mxcsr(matters: boolean): number {
    const r = this.random;
    const sticky = r.oneIn(2) ? 0 : r.u32() & 0x3f;
    if (!matters || r.oneIn(2)) return 0x1f80 | sticky;
    const masks = r.oneIn(24) ? r.u32() & 0x1f80 : 0x1f80;
    return masks | (r.u32() & 0x6000) | (r.oneIn(4) ? 0x8000 : 0) | (r.oneIn(4) ? 0x40 : 0) | sticky;
  }

  #x87(matters: boolean): void {
    const r = this.random;
    const u16 = (at: number, v: number) => {
      this.#bytes[this.#at + at] = v;
      this.#bytes[this.#at + at + 1] = v >> 8;
    };
    let control = 0x37f;
    if (matters && r.oneIn(2)) control = 0x40 | (r.oneIn(20) ? r.u32() & 0x3f : 0x3f) | (r.pick([0, 2, 3, 3]) << 8) | (r.below(4) << 10);
    let status = (r.u32() & 0x7f00) | (r.oneIn(3) ? r.u32() & 0x7f : 0);
    if ((status & ~control & 0x3f) !== 0) {
      // An exception that waits: most of the time not.
      if (r.oneIn(8)) status |= 0x8080;
      else status &= 0x7f00;
    }
    u16(AT.FCW, control);
    u16(AT.FSW, status);
    u16(AT.FTW, r.oneIn(3) ? r.u32() & 0xff : 0xff);
    u16(AT.FOP, 0);
  }

  #end(): void {
    const at = this.#at;
    if (this.#length <= CODE_ROOM - 5) {
      this.#put(0xe9);
      this.#put32(EXIT - (this.#rip + this.#length + 4));
    }
    this.#u32[(at + AT.RIP) >> 2] = this.#rip;
    this.#u32[(at + AT.RIP + 4) >> 2] = 0;
    this.#u32[(at + AT.LENGTH) >> 2] = this.#length;
  }

  #put(byte: number): void {
    this.#bytes[this.#at + AT.CODE + this.#length++] = byte;
  }

  #put16(v: number): void {
    this.#put(v);
    this.#put(v >> 8);
  }

  #put32(v: number): void {
    this.#put16(v);
    this.#put16(v >> 16);
  }

  /** A register's value, up to 2^53 in size. */
  #set(register: number, value: number): void {
    const at = (this.#at >> 2) + 2 * register;
    this.#u32[at] = value >>> 0;
    this.#u32[at + 1] = Math.floor(value / 0x1_0000_0000) >>> 0;
  }

  #setLow(register: number, value: number): void {
    this.#u32[(this.#at >> 2) + 2 * register] = value >>> 0;
  }

  #pin(register: number, value: number): void {
    this.#set(register, value);
    this.#pinned |= 1 << register;
  }

  #low(register: number): number {
    return this.#u32[(this.#at >> 2) + 2 * register] as number;
  }

  #copyRegister(to: number, from: number): void {
    this.#bytes.copyWithin(this.#at + 8 * to, this.#at + 8 * from, this.#at + 8 * from + 8);
  }

  /** A window over [address, address + length), as far as there are pages; its contents are of a domain. */
  #window(address: number, length: number, domain: Domain): void {
    const base = address >= STACK - 0x1000 ? STACK : DATA;
    let from = Math.max(address - base, 0) & ~7;
    let to = Math.min(address - base + length, AREA);
    to = (to + 7) & ~7;
    if (from < MISSING && to > MISSING) to = MISSING;
    else if (from >= MISSING && from < AFTER) from = AFTER;
    if (to > AREA) to = AREA;
    if (from >= to || this.#windows >= WINDOWS || this.#memory + (to - from) > MEMORY_ROOM) return;
    const at = this.#at;
    this.#u32[(at + AT.WINDOW + 8 * this.#windows) >> 2] = base + from;
    this.#u32[(at + AT.WINDOW + 8 * this.#windows + 4) >> 2] = to - from;
    this.#windows++;
    // Elements stand where the operand has them, 16 bytes behind the window's start at most.
    const pool = this.#pools[domain];
    const place = pool.place(this.random) + ((16 - ((address + 16 - base - from) & 15)) & 15);
    this.#bytes.copyWithin(at + AT.MEMORY + this.#memory, place, place + to - from);
    this.#memory += to - from;
  }

  /** Writes to the contents of windows, when the address lies in one. */
  #poke(address: number, size: 1 | 2 | 4 | 8, value: number): void {
    let at = this.#at + AT.MEMORY;
    for (let i = 0; i < this.#windows; i++) {
      const from = this.#u32[(this.#at + AT.WINDOW + 8 * i) >> 2] as number;
      const length = this.#u32[(this.#at + AT.WINDOW + 8 * i + 4) >> 2] as number;
      if (address >= from && address + size <= from + length)
        for (let k = 0; k < size; k++) this.#bytes[at + address - from + k] = k < 4 ? value >>> (8 * k) : Math.floor(value / 2 ** (8 * k));
      at += length;
    }
  }

  /** Where an operand of `size` bytes goes. `aligned`: it faults elsewhere. */
  #place(size: number, aligned: number): number {
    const r = this.random;
    const kind = r.below(160);
    const s = Math.max(1, size);
    const align = aligned || 1;
    if (kind < 84 || (aligned && kind < 148))
      return DATA + 0x400 + (aligned ? r.below(1024) & ~(align - 1) : r.below(16) * 64 + (r.below(64) & -Math.min(64, s & -s)));
    if (kind < 132) return DATA + 0x400 + r.below(512);
    const cut = r.below(s + 1);
    if (kind < 148) return DATA + 0x1000 - cut;
    if (kind < 151) return DATA + READ_EDGE - cut;
    if (kind < 153) return DATA + READ_EDGE + 0x400 + (aligned ? 0 : r.below(64));
    if (kind < 155) return DATA + AREA - cut;
    if (kind === 155) return DATA + AFTER - cut;
    if (kind === 156) return DATA + MISSING - cut;
    if (kind === 157) return DATA + 0x400 + r.below(512);
    return DATA + 0x400 + (r.below(16) << 6);
  }

  readonly #m: Memory = { mod: 0, rm: 0, sib: -1, displacement: 0, bytes: 0, x: 0, b: 0, segment: 0, a32: false, relative: false };

  #free(list: readonly number[]): number {
    for (let i = 0; i < 6; i++) {
      const n = this.random.pick(list);
      if ((this.#pinned & (1 << n)) === 0) return n;
    }
    return -1;
  }

  /** ModRM and what follows for an operand at `target`. `vector`: number of the index register of a VSIB operand, or -1. */
  #address(target: number, asz: number, vector: number): Memory {
    const r = this.random;
    const m = this.#m;
    m.sib = -1;
    m.x = m.b = m.segment = m.displacement = m.bytes = 0;
    m.relative = false;
    m.a32 = asz === 32 || (asz === 0 && r.oneIn(20));
    let offset = target;
    if (r.oneIn(12)) {
      m.segment = target < STACK ? 0x64 : r.pick([0x64, 0x65]);
      offset -= m.segment === 0x64 ? DATA : STACK;
    } else if (r.oneIn(24)) m.segment = r.pick(SEGMENT_PREFIXES);
    const kind = r.below(8);
    const base = this.#free(this.#bases);
    if (vector < 0 && (base < 0 || kind === 0)) return this.#absolute(m, offset);
    if (vector < 0 && kind === 1) {
      m.mod = 0;
      m.rm = 5;
      m.displacement = offset;
      m.bytes = 4;
      m.relative = true;
      return m;
    }
    if (base < 0) return this.#absolute(m, offset);
    m.bytes = r.pick([0, 1, 1, 4]);
    if (m.bytes === 0 && (base & 7) === 5) m.bytes = 1;
    m.displacement =
      m.bytes === 0 ? 0 : m.bytes === 1 ? (r.u32() << 24) >> 24 : r.oneIn(2) ? (r.u32() | 0) >> r.below(31) : r.below(0x4000) - 0x2000;
    m.mod = m.bytes === 0 ? 0 : m.bytes === 1 ? 1 : 2;
    let value = offset - m.displacement;
    this.#pinned |= 1 << base;
    const index = vector >= 0 ? -1 : kind < 5 ? this.#free(this.#bases) : -1;
    if (vector >= 0) {
      m.sib = (r.below(4) << 6) | ((vector & 7) << 3) | (base & 7);
      m.x = vector >> 3;
    } else if (index >= 0 && index !== RSP) {
      this.#pinned |= 1 << index;
      const scale = r.below(4);
      const v = r.oneIn(4) ? r.u32() | 0 : r.oneIn(8) ? (r.u32() | 0) * 4096 : r.below(8192) - 4096;
      this.#set(index, v);
      value -= v * (1 << scale);
      m.sib = (scale << 6) | ((index & 7) << 3) | (base & 7);
      m.x = index >> 3;
    } else if ((base & 7) === RSP || r.oneIn(16)) m.sib = (r.below(4) << 6) | (4 << 3) | (base & 7);
    m.rm = m.sib >= 0 ? 4 : base & 7;
    m.b = base >> 3;
    this.#set(base, value);
    if (m.a32) this.#u32[(this.#at >> 2) + 2 * base + 1] = r.oneIn(2) ? r.u32() : 0;
    // Not canonical, or the kernel's.
    else if (vector < 0 && m.segment === 0 && r.oneIn(200))
      this.#u32[(this.#at >> 2) + 2 * base + 1] = r.pick([0x8000, 0xffff8000, 0xffff7fff, r.u32()]);
    return m;
  }

  #absolute(m: Memory, offset: number): Memory {
    m.mod = 0;
    m.rm = 4;
    m.sib = 0x25 | (this.random.below(4) << 6);
    m.displacement = offset;
    m.bytes = 4;
    return m;
  }

  /** One instruction, with the registers and memory that it takes. */
  #instruction(f: Form): void {
    const r = this.random;
    let reg = f.group >= 0 ? f.group : 0;
    let rm = -1;
    let memory = false;
    let vvvv = 0;
    let is4 = 0;
    let opcodeRegister = 0;
    let vector = -1;
    let vsib = 0;
    let immediate = 0;
    let imm = -1;
    if (f.string) this.#string(f);
    if (f.stack) this.#stack(f);
    if (f.before) this.#before(f);
    for (const kind of f.kinds) {
      if (REG.has(kind)) {
        reg = VECTOR_REG.has(kind)
          ? r.below(16)
          : SMALL_REG.has(kind)
            ? r.below(8)
            : kind === K.cr_reg || kind === K.dr_reg
              ? r.below(8)
              : r.pick(this.#registers);
        if (kind < K.seg_reg) this.#operands |= 1 << reg;
      } else if (OR_MEMORY.has(kind) || ONLY_RM.has(kind) || ONLY_MEMORY.has(kind)) {
        memory = ONLY_MEMORY.has(kind) || (OR_MEMORY.has(kind) && (f.onlyMemory || r.below(5) < 2));
        if (VSIB.has(kind)) vsib = kind;
        if (!memory) {
          rm = VECTOR_REG.has(kind) ? r.below(16) : SMALL_REG.has(kind) ? r.below(8) : r.pick(this.#registers);
          if (!VECTOR_REG.has(kind) && !SMALL_REG.has(kind)) this.#operands |= 1 << rm;
        }
      } else if (VVVV.has(kind)) {
        vvvv = kind === K.r32_vvvv || kind === K.r64_vvvv ? r.pick(this.#registers) : r.below(16);
      } else if (IS4.has(kind)) is4 = r.below(16) << 4;
      else if (OPCODE_REG.has(kind)) {
        opcodeRegister = r.pick(this.#registers);
        this.#operands |= 1 << opcodeRegister;
      } else if (kind === K.sti_opcode) opcodeRegister = r.below(8);
      else imm = this.#immediateOf(kind, imm);
    }
    if (vsib) {
      vector = r.below(16);
      // Destination, index and mask must differ (SDM vol. 2, VGATHER: else #UD); now and then they do not.
      if (!r.oneIn(100)) {
        while (vvvv === reg) vvvv = r.below(16);
        while (vector === reg || vector === vvvv) vector = r.below(16);
      }
    }
    const size = f.size;
    let m: Memory | undefined;
    if (memory) {
      const target = vsib ? DATA + 0x800 : this.#bitTarget(f, reg, this.#place(size, f.alignment));
      this.#target = target;
      if (vsib) this.#indices(vsib, vector);
      m = this.#address(target, f.asz, vector);
      if (vsib) this.#window(target - 0x140, 0x280, f.domain);
      else if (f.memory !== 0 || !f.noAccess) {
        const margin = f.bitString ? 80 : 16;
        this.#window(target - margin, size + 2 * margin, f.domain);
      }
    }
    immediate = f.after ? this.#after(f, m !== undefined, rm) : Number.NaN;
    this.#encode(f, reg, rm, m, vvvv, opcodeRegister, imm, is4, immediate);
  }

  /** Gathers find all elements in one window. */
  #indices(kind: number, vector: number): void {
    const at = this.#at + AT.YMM + 32 * vector;
    const wide = kind === K.mem_vsib64x || kind === K.mem_vsib64y;
    for (let i = 0; i < 32; i += wide ? 8 : 4) {
      const v = this.random.below(64) - 32;
      this.#u32[(at + i) >> 2] = v >>> 0;
      if (wide) this.#u32[(at + i + 4) >> 2] = v < 0 ? 0xffffffff : 0;
    }
  }

  /** BT and its like reach beyond the operand by their bit offset. */
  #bitTarget(f: Form, reg: number, target: number): number {
    if (!f.bitString) return target;
    this.#pin(reg, this.random.oneIn(40) ? this.random.u32() | 0 : this.random.below(1024) - 512);
    return target;
  }

  /** The kind of an immediate goes into `imm`: its bytes; two of them are two bytes of it. */
  #immediateOf(kind: number, imm: number): number {
    switch (kind) {
      case K.imm8:
      case K.imm8sex16:
      case K.imm8sex32:
      case K.imm8sex64:
      case K.imm4_m2z:
        return imm < 0 ? 1 : imm + 1;
      case K.br64_1:
        return 101;
      case K.br64_4:
        return 104;
      case K.imm16:
        return 2;
      case K.imm32:
      case K.imm32sex64:
        return 4;
      case K.imm64:
        return 8;
      case K.mem_offs:
        return 108;
      default:
        return imm;
    }
  }

  #stack(f: Form): void {
    const r = this.random;
    const edge = r.below(100);
    const rsp =
      edge === 0
        ? STACK + r.below(24)
        : edge === 1
          ? STACK + AREA - r.below(24)
          : edge === 2
            ? STACK + 0x1000 - 12 + r.below(24)
            : STACK + 0x800 + (r.oneIn(6) ? r.below(64) : 8 * r.below(8));
    this.#pin(RSP, rsp);
    if (f.mnemonic === 'Enter') {
      this.#pin(RBP, rsp + 8 * r.below(4));
      this.#window(rsp - 288, 336, 'int');
      return;
    }
    this.#window(rsp - 64, 128, 'int');
    if (f.mnemonic === 'Leave') {
      const rbp = STACK + 0x1400 + r.below(64);
      this.#pin(RBP, rbp);
      this.#window(rbp - 8, 32, 'int');
    }
    if (/^Popf/.test(f.mnemonic)) {
      this.#poke(rsp, 4, (r.u32() & 0x20_4ed5) | (r.oneIn(32) ? 0x100 : 0) | (r.oneIn(32) ? 0x40000 : 0));
    }
    if (/^(Pop|Mov)/.test(f.mnemonic) && /_[FG]S$/.test(f.name)) {
      this.#poke(rsp, 2, r.pick(SELECTORS));
      this.#segments();
    }
    if (/^Ret$/.test(f.mnemonic)) this.#poke(rsp, 8, r.oneIn(16) ? r.u32() * 65536 : this.#landing());
    if (/^(Retf|Iret)/.test(f.mnemonic)) {
      const size = f.osz === 16 ? 2 : f.osz === 64 ? 8 : 4;
      const frame = [this.#landing(), r.oneIn(12) ? r.pick(SELECTORS) : 0x33];
      if (f.mnemonic.startsWith('Iret'))
        frame.push((r.u32() & 0xcd5) | 0x202, STACK + 0x880 + r.below(16), r.oneIn(12) ? r.pick(SELECTORS) : 0x2b);
      for (const [i, v] of frame.entries()) this.#poke(rsp + i * size, size, v);
    }
  }

  /** Where indirect branches go: EXIT, or code that is HLT. */
  #landing(): number {
    const r = this.random;
    return r.oneIn(8) ? CODE + 0xff00 + r.below(128) : EXIT;
  }

  #segments(): void {
    this.#u32[(this.#at + AT.WHAT) >> 2] = (this.#u32[(this.#at + AT.WHAT) >> 2] as number) | SEGMENTS;
  }

  /** Registers that an instruction uses without saying so. */
  #before(f: Form): void {
    const r = this.random;
    const name = f.mnemonic;
    if (name === 'Xlatb') {
      const target = this.#place(1, 0);
      this.#pin(RBX, target - (this.#low(RAX) & 0xff));
      this.#pinned |= 1 << RAX;
      this.#window(target - 16, 32, 'int');
    } else if (name === 'Div' || name === 'Idiv') this.#divide(f);
    else if (/^V?maskmov(q|dqu)$/i.test(name) && !/mem|_m/.test(f.name.replace(/^\w+?_/, ''))) {
      const target = this.#place(16, 0);
      this.#pin(RDI, target);
      this.#window(target - 16, 48, 'int');
    } else if (/^(Xsave|Xrstor)/.test(name)) {
      // As far as the other side has components too.
      this.#pin(RAX, r.below(this.#avx ? 8 : 4));
      this.#pin(RDX, 0);
    } else if (/^V?pcmp[ei]str/i.test(name)) {
      if (r.oneIn(2)) this.#set(RAX, r.below(40) - 20);
      if (r.oneIn(2)) this.#set(RDX, r.below(40) - 20);
    } else if (f.shift && f.kinds.includes(K.cl)) {
      if (r.oneIn(2)) this.#setLow(RCX, r.below(72));
      if (/^Sh[lr]d/.test(name) && f.osz === 16) this.#setLow(RCX, r.below(17));
      this.#pinned |= 1 << RCX;
      this.#count = this.#low(RCX) & (f.osz === 64 ? 63 : 31);
    } else if (f.kinds.includes(K.imm8_const_1)) this.#count = 1;
    else if (/^(Jrcxz|Jecxz|Loop)/.test(name)) this.#pin(RCX, r.below(4));
    else if (name === 'Xgetbv') this.#pin(RCX, r.oneIn(8) ? 2 + r.below(4) : 0);
    else if (name === 'Cpuid') this.#set(RAX, 0);
  }

  #divide(f: Form): void {
    const r = this.random;
    if (!(f.name.includes('rm8') ? r.oneIn(8) : r.oneIn(10))) {
      if (f.name.includes('rm8')) {
        const al = this.#low(RAX) & 0xff;
        this.#setLow(RAX, al | ((f.mnemonic === 'Idiv' && al >= 0x80 && r.oneIn(2) ? 0xff : r.oneIn(2) ? 0 : r.below(8)) << 8));
      } else {
        const negative = f.mnemonic === 'Idiv' && r.oneIn(2);
        this.#set(RDX, negative ? -1 - (r.oneIn(3) ? r.below(16) : 0) : r.oneIn(3) ? r.below(16) : 0);
      }
    }
    this.#pinned |= (1 << RAX) | (1 << RDX);
    if (this.#registers === ALL) this.#registers = [RCX, RBX, RSP, RBP, RSI, RDI, 8, 9, 10, 11, 12, 13, 14, 15];
  }

  /** A dividend about where the quotient stops to fit: divisor * 2^n for DIV, half of it for IDIV, and what lies next to it. */
  #edge(f: Form, divisor: number): void {
    const r = this.random;
    const bits = f.osz || 8;
    const signed = f.mnemonic === 'Idiv';
    const at = (this.#at >> 2) + 2 * divisor;
    const value = (BigInt(this.#u32[at + 1] as number) << 32n) | BigInt(this.#u32[at] as number);
    const d = signed ? BigInt.asIntN(bits, value) : BigInt.asUintN(bits, value);
    let n = d << BigInt(signed ? bits - 1 : bits);
    if (signed && r.oneIn(2)) n = -n;
    // A remainder, or a quotient one less.
    const near = d === 0n ? 1n : d < 0n ? -d : d;
    n += r.pick([0n, -1n, 1n, near - 1n, -near, 1n - near]);
    const parts = bits === 8 ? [BigInt.asUintN(16, n)] : [BigInt.asUintN(bits, n), BigInt.asUintN(bits, n >> BigInt(bits))];
    for (const [i, v] of parts.entries()) {
      const to = (this.#at >> 2) + 2 * (i === 0 ? RAX : RDX);
      this.#u32[to] = Number(v & 0xffffffffn);
      this.#u32[to + 1] = Number(v >> 32n);
    }
  }

  #string(f: Form): void {
    const r = this.random;
    const size = f.memory || 1;
    const backwards = r.oneIn(3);
    const at = (this.#at + AT.FLAGS) >> 2;
    this.#u32[at] = ((this.#u32[at] as number) & ~0x400) | (backwards ? 0x400 : 0);
    const count = r.below(12);
    const span = Math.max(1, count) * size;
    const place = () => {
      const t = this.#place(span, 0);
      return backwards ? t + span - size : t;
    };
    const from = place();
    const to = r.oneIn(3) ? from + (r.below(64) - 32) : place();
    this.#pin(RSI, from);
    this.#pin(RDI, to);
    this.#pin(RCX, count);
    this.#narrow = f.asz === 32 || (f.asz === 0 && r.oneIn(8));
    // In 32-bit addressing the upper halves do not count, though a repeated instruction clears them.
    if (this.#narrow) for (const n of [RSI, RDI, RCX]) if (r.oneIn(2)) this.#u32[(this.#at >> 2) + 2 * n + 1] = r.u32();
    const window = (t: number) => this.#window((backwards ? t - span + size : t) - 16, span + 32, 'int');
    window(from);
    window(to);
    // Comparisons and scans that go on.
    if (/^(Cmps|Scas)/.test(f.mnemonic) && !r.oneIn(3)) {
      const byte = r.below(256);
      for (let i = 0; i < span - r.below(span); i++) {
        this.#poke((backwards ? from - span + size : from) + i, 1, byte);
        this.#poke((backwards ? to - span + size : to) + i, 1, byte);
      }
      if (f.mnemonic.startsWith('Scas')) for (let i = 0; i < 8; i++) this.#bytes[this.#at + i] = byte;
    }
  }

  /** What depends on the operands. Returns the immediate's value, or NaN for any. */
  #after(f: Form, memory: boolean, rm: number): number {
    const r = this.random;
    const name = f.mnemonic;
    const target = this.#target;
    if (/^I?div$/i.test(name)) {
      if (rm >= 0 && r.oneIn(3)) this.#edge(f, rm);
    } else if (/^Cmpxchg$/.test(name) && r.oneIn(2)) {
      if (memory) this.#pokeRegister(target, RAX, f.memory);
      else if (rm >= 0 && rm !== RAX) this.#copyRegister(RAX, rm);
    } else if (/^Cmpxchg(8|16)b/.test(name) && r.oneIn(2)) {
      this.#pokeRegister(target, RAX, f.memory / 2);
      this.#pokeRegister(target + f.memory / 2, RDX, f.memory / 2);
    } else if (/^(Ldmxcsr|Vldmxcsr)$/.test(name)) {
      this.#poke(target, 4, r.oneIn(20) ? 1 << (18 + r.below(14)) : this.#mxcsr(true));
    } else if (/^Fxrstor/.test(name)) this.#poke(target + 24, 4, r.oneIn(30) ? 0x40000 : this.#mxcsr(true));
    else if (/^Xrstor/.test(name)) this.#image(target);
    else if (/^Mov_Sreg/.test(f.name)) {
      this.#segments();
      if (memory) this.#poke(target, 2, r.pick(SELECTORS));
      else if (rm >= 0) this.#setLow(rm, r.pick(SELECTORS) | (r.u32() & 0xffff0000));
    } else if (/^(Lar|Lsl|Verr|Verw)/.test(name)) {
      if (memory) this.#poke(target, 2, r.pick(SELECTORS));
      else if (rm >= 0) this.#setLow(rm, r.pick(SELECTORS) | (r.u32() & 0xffff0000));
    } else if (/^(Lfs|Lgs|Lss)/.test(name)) {
      this.#segments();
      this.#poke(target + f.memory - 2, 2, r.pick(SELECTORS));
    } else if (/^Wr[fg]sbase/.test(name)) {
      this.#segments();
      if (!r.oneIn(6) && rm >= 0) this.#set(rm, r.u32() * 8192);
    } else if (/_m16(16|32)$/.test(f.name)) {
      this.#poke(target, f.memory === 4 ? 2 : 4, this.#landing());
      this.#poke(target + f.memory - 2, 2, r.oneIn(12) ? r.pick(SELECTORS) : 0x33);
    } else if (/^(Call|Jmp)_rm64/.test(f.name)) {
      if (memory) this.#poke(target, 8, r.oneIn(16) ? r.u32() * 65536 : this.#landing());
      else if (rm >= 0 && rm !== RSP) this.#set(rm, r.oneIn(16) ? r.u32() * 65536 : this.#landing());
    } else if (name === 'Fbld' && !r.oneIn(8)) for (let i = 0; i < 9; i++) this.#poke(target + i, 1, r.below(10) * 16 + r.below(10));
    else if (name === 'Int') {
      // Below 20h some kernels have gates of their own.
      const n = 0x20 + r.below(0xe0);
      return n === 0x80 ? 0x20 : n;
    } else if (name === 'Enter') return r.oneIn(12) ? r.u32() & 0xffffff : r.below(64) | ((r.oneIn(2) ? r.below(4) : r.below(64)) << 16);
    else if (/^Retn?f?/.test(name) && f.osz !== 0) return r.below(64);
    if (/^Sh[lr]d/.test(name) && f.osz === 16) return r.below(17);
    return Number.NaN;
  }

  #pokeRegister(address: number, register: number, size: number): void {
    const at = (this.#at >> 2) + 2 * register;
    if (size < 4) this.#poke(address, size as 1 | 2, this.#u32[at] as number);
    else this.#poke(address, 4, this.#u32[at] as number);
    if (size === 8) this.#poke(address + 4, 4, this.#u32[at + 1] as number);
  }

  /** An XSAVE image that XRSTOR takes, most of the time. */
  #image(target: number): void {
    const r = this.random;
    this.#poke(target + 24, 4, r.oneIn(30) ? 0x40000 : this.#mxcsr(true));
    for (let i = 0; i < 64; i += 4) this.#poke(target + 512 + i, 4, 0);
    this.#poke(target + 512, 4, r.below(this.#avx ? (r.oneIn(40) ? 16 : 8) : 4));
    // The compacted format: what it has, and bit 63.
    if (this.#compacted && r.oneIn(3)) {
      this.#poke(target + 512, 4, r.below(8));
      this.#poke(target + 520, 4, r.oneIn(6) ? r.below(8) : 7);
      this.#poke(target + 527, 1, 0x80);
    }
    if (r.oneIn(40)) this.#poke(target + 512 + r.below(32), 1, 1);
  }

  #encode(
    f: Form,
    reg: number,
    rm: number,
    m: Memory | undefined,
    vvvv: number,
    low: number,
    imm: number,
    is4: number,
    value: number,
  ): void {
    const r = this.random;
    const x = m ? m.x : 0;
    const b = m ? m.b : rm >= 0 ? rm >> 3 : low >> 3;
    if (f.fwait) this.#put(0x9b);
    if (f.vex) this.#vex(f, reg, x, b, vvvv, m);
    else this.#legacy(f, reg, x, b, m);
    const last = f.opcode.length - 1;
    for (let i = 0; i < last; i++) this.#put(f.opcode[i] as number);
    this.#put((f.opcode[last] as number) + (f.kinds.some((k) => OPCODE_REG.has(k) || k === K.sti_opcode) ? low & 7 : 0));
    let fix = -1;
    if (f.modrm) {
      if (m) {
        this.#put((m.mod << 6) | ((reg & 7) << 3) | m.rm);
        if (m.sib >= 0) this.#put(m.sib);
        if (m.relative) fix = this.#length;
        if (m.bytes === 1) this.#put(m.displacement);
        else if (m.bytes === 4) this.#put32(m.displacement);
      } else this.#put(0xc0 | ((reg & 7) << 3) | ((rm < 0 ? r.below(8) : rm) & 7));
    }
    this.#immediate(f, imm, value, is4);
    if (fix >= 0 && m) {
      const save = this.#length;
      this.#length = fix;
      this.#put32(m.displacement - (this.#rip + save));
      this.#length = save;
    }
  }

  #immediate(f: Form, imm: number, value: number, is4: number): void {
    const r = this.random;
    if (is4 !== 0 || f.kinds.some((k) => IS4.has(k))) {
      this.#put(is4 | (r.oneIn(8) ? r.below(16) : 0));
      return;
    }
    if (imm < 0) return;
    if (imm > 100) {
      this.#branch(f, imm - 100);
      return;
    }
    const any = Number.isNaN(value);
    if (imm === 1) {
      const v = any ? (r.oneIn(2) ? r.u32() & 0xff : r.pick([0, 1, 2, 7, 8, 15, 16, 31, 32, 63, 64, 0x7f, 0x80, 0xff])) : value;
      this.#put(v);
      if (f.shift) this.#count = v & (f.osz === 64 ? 63 : 31);
    } else if (imm === 2) this.#put16(any ? (r.oneIn(2) ? r.u32() : r.pick([0, 1, 0x7fff, 0x8000, 0xffff])) : value);
    else if (imm === 3) {
      this.#put16(value);
      this.#put(value >> 16);
    } else
      for (let i = 0; i < imm; i += 4)
        this.#put32(r.oneIn(2) ? r.u32() : r.pick([0, 1, -1, 0x7fffffff, 0x80000000 | 0, 0xff, 0x8000, 0xffff]));
  }

  /** A displacement, which skips the marker behind it; or the address of an operand. */
  #branch(f: Form, size: number): void {
    const r = this.random;
    if (size === 8) {
      const target = this.#place(f.memory, 0);
      this.#target = target;
      this.#window(target - 16, f.memory + 32, 'int');
      this.#put32(target);
      if (f.asz !== 32) this.#put32(0);
      return;
    }
    if (size === 1) this.#put(MARKER.length);
    // Or to where no code is.
    else this.#put32(r.oneIn(50) ? (r.u32() & 0x7fff_ffff) | 0x0200_0000 : MARKER.length);
    for (const byte of MARKER) this.#put(byte);
  }

  #vex(f: Form, reg: number, x: number, b: number, vvvv: number, m: Memory | undefined): void {
    const r = this.random;
    if (m?.segment) this.#put(m.segment);
    if (m?.a32) this.#put(0x67);
    if (r.oneIn(300)) this.#put(r.pick([0x66, 0xf2, 0xf3, 0xf0, 0x48]));
    const pp = f.mandatory === 0x66 ? 1 : f.mandatory === 0xf3 ? 2 : f.mandatory === 0xf2 ? 3 : 0;
    // Now and then the other W or L: another instruction, or none (or one of VAES and VPCLMULQDQ).
    // VPERMQ and VPERMPD are #UD with W = 0 (SDM vol. 2, VPERMQ: VEX.256.66.0F3A.W1); AMD's do not look at it.
    const w = f.anyW ? r.below(2) : f.w ^ (r.oneIn(400) && !/^Vperm(q|pd)$/.test(f.mnemonic) ? 1 : 0);
    const l = f.anyL ? r.below(2) : f.l ^ (r.oneIn(400) && !/^V(aes|pclmul)/.test(f.mnemonic) ? 1 : 0);
    const none = !f.kinds.some((k) => VVVV.has(k));
    const v = none ? (r.oneIn(200) ? r.below(16) : 0) : vvvv;
    const inverted = ((~v & 15) << 3) | (l << 2) | pp;
    if (f.map === 1 && x === 0 && b === 0 && (f.anyW || w === 0) && !r.oneIn(4)) {
      this.#put(0xc5);
      this.#put((((reg >> 3) ^ 1) << 7) | inverted);
    } else {
      this.#put(0xc4);
      this.#put((((reg >> 3) ^ 1) << 7) | ((x ^ 1) << 6) | ((b ^ 1) << 5) | f.map);
      this.#put((w << 7) | inverted);
    }
  }

  readonly #prefixes = new Uint8Array(8);
  #legacy(f: Form, reg: number, x: number, b: number, m: Memory | undefined): void {
    const r = this.random;
    const p = this.#prefixes;
    let n = 0;
    if (f.osz === 16) p[n++] = 0x66;
    if (f.mandatory !== 0) p[n++] = f.mandatory;
    const moffs = f.kinds.includes(K.mem_offs);
    if (m?.a32 || (f.asz === 32 && !m) || (f.string && this.#narrow && f.asz === 0)) p[n++] = 0x67;
    if (m?.segment) p[n++] = m.segment;
    if (f.repeats && r.oneIn(2)) p[n++] = r.pick([0xf2, 0xf3]);
    if (m !== undefined && f.canLock && r.oneIn(10)) p[n++] = 0xf0;
    // LOCK MOV CR0 is AMD's MOV CR8 (APM vol. 3, MOV CRn).
    // This processor takes LOCK VERW (SDM vol. 2, LOCK: #UD).
    else if (r.oneIn(500) && !f.kinds.includes(K.cr_reg) && f.mnemonic !== 'Verw') p[n++] = 0xf0;
    if (r.oneIn(8)) n = this.#redundant(f, p, n, m, f.implicit || moffs);
    // In any order.
    for (let i = n - 1; i > 0; i--) {
      const k = r.below(i + 1);
      const t = p[i] as number;
      p[i] = p[k] as number;
      p[k] = t;
    }
    if (n > 0 && r.oneIn(200)) this.#put(0x40 | r.below(16));
    for (let i = 0; i < n; i++) this.#put(p[i] as number);
    const rex = (f.wide ? 8 : 0) | ((reg >> 3) << 2) | (x << 1) | b;
    const forced = f.kinds.includes(K.cr_reg) || f.kinds.includes(K.dr_reg) ? false : r.oneIn(10);
    if (rex !== 0 || forced) this.#put(0x40 | rex);
    if (f.map > 0) this.#put(0x0f);
    if (f.map === 2) this.#put(0x38);
    if (f.map === 3) this.#put(0x3a);
  }

  /** Prefixes that change nothing. */
  #redundant(f: Form, p: Uint8Array, count: number, m: Memory | undefined, implicit: boolean): number {
    const r = this.random;
    let n = count;
    const kind = r.below(4);
    if (kind === 0 && n > 0 && p[0] !== 0xf0) p[n++] = p[0] as number;
    else if (kind === 1 && m === undefined && !implicit) p[n++] = r.pick([...SEGMENT_PREFIXES, 0x64, 0x65]);
    else if (kind === 2 && m === undefined && !implicit && f.asz === 0) p[n++] = 0x67;
    else if (kind === 3 && f.map === 0 && f.mandatory === 0 && !f.string && !f.branch && !f.x87 && f.opcode[0] !== 0x90)
      p[n++] = r.pick([0xf2, 0xf3]);
    return n;
  }
}

const READ_EDGE = 0x2000;
