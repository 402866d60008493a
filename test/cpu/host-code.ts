/**
 * Writes cases: machine code, the registers that its operands need, and the memory around them.
 *
 * A memory operand is chosen as an address first (inside a window, or at the edge of one); then base, index, scale and displacement are
 * chosen in any way that the encoding has, and the base register, or the displacement, gets what makes their sum that address.
 *
 * @module
 */
import { CODE, CODE_BYTES, DATA, IN, type Mode, type Shape } from './host-layout.ts';
import { interesting, type Random } from './host-random.ts';

/** Numbers of the general registers. */
export const RAX = 0;
export const RCX = 1;
export const RDX = 2;
export const RBX = 3;
export const RSP = 4;
export const RBP = 5;
export const RSI = 6;
export const RDI = 7;

/** Numbers of the segment registers. */
export const ES = 0;
export const CS = 1;
export const SS = 2;
export const DS = 3;
export const FS = 4;
export const GS = 5;

const SEGMENT_PREFIX = [0x26, 0x2e, 0x36, 0x3e, 0x64, 0x65];

export type Bytes = 1 | 2 | 4 | 8 | 16;

/** A memory operand as it is encoded. Registers are -1 when absent. */
export interface Address {
  readonly size: 2 | 4 | 8;
  readonly segment: number;
  /** -1: no prefix. */
  readonly override: number;
  readonly base: number;
  readonly index: number;
  readonly scale: number;
  readonly disp: number;
  readonly dispBytes: 0 | 1 | 2 | 4;
  /** [rip + disp]: the displacement is completed by `Writer.instruction`. */
  readonly ripTarget: bigint | undefined;
  /** 32-bit displacement without registers by way of an SIB byte. */
  readonly sib: boolean;
}

export interface Instruction {
  /** Operand size: 66h and REX.W follow from it. */
  readonly osz?: 1 | 2 | 4 | 8;
  /** The operand size is 64 bits in 64-bit code without REX.W (SDM vol. 1, 3.6.1: near branches, PUSH, POP). */
  readonly wide?: boolean;
  readonly opcode: readonly number[];
  /** ModRM.reg; absent: no ModRM. */
  readonly reg?: number;
  readonly rm?: number | Address;
  /** Register in the opcode's low bits. */
  readonly low?: number;
  /** An 8-bit register is among the operands: which ones are the high bytes depends on REX. */
  readonly bytes?: readonly number[];
  readonly imm?: bigint;
  readonly immBytes?: 0 | 1 | 2 | 3 | 4 | 8;
  readonly lock?: boolean;
  readonly rep?: number;
  /** Address size for instructions without ModRM. */
  readonly asz?: 2 | 4 | 8;
  readonly override?: number;
  /** Encoded by VEX: the opcode's map and prefix as VEX numbers them, and the register in vvvv (0 when it names none). */
  readonly vex?: { readonly map: 1 | 2 | 3; readonly pp: 0 | 1 | 2 | 3; readonly vvvv: number };
}

const mask = (bytes: number): bigint => (1n << BigInt(8 * bytes)) - 1n;

/** One batch of cases. */
export class Writer {
  readonly shape: Shape;
  readonly mode: Mode;
  readonly random: Random;
  readonly inputs: Uint8Array;
  /** Flags that each case leaves undefined when it runs to its end. */
  readonly undefinedFlags: Uint32Array;
  /** Of cases with several instructions: rip and undefined flags before each of them, one after the other. */
  readonly undefinedAt: (readonly number[] | undefined)[] = [];
  count = 0;
  readonly #u32: Uint32Array;
  readonly #u64: BigUint64Array;
  #at = 0;
  #length = 0;
  #start = 0;
  /** Registers that hold what they must. */
  fixed = new Set<number>();
  /** One in so many operands of 64-bit code lies about where addresses stop being canonical. */
  wildness = 100;

  constructor(shape: Shape, cases: number, random: Random) {
    this.shape = shape;
    this.mode = shape.mode;
    this.random = random;
    const buffer = new ArrayBuffer(cases * shape.inputSize);
    this.inputs = new Uint8Array(buffer);
    this.#u32 = new Uint32Array(buffer);
    this.#u64 = new BigUint64Array(buffer);
    this.undefinedFlags = new Uint32Array(cases);
  }

  /** Default operand and address size. */
  get word(): 2 | 4 | 8 {
    return this.mode.bits === 64 ? 8 : this.mode.bits === 32 ? 4 : 2;
  }

  /** A new case: random registers, flags and windows; the code starts at a random place. */
  begin(room = 16): void {
    const r = this.random;
    this.#at = this.count * this.shape.inputSize;
    this.#length = 0;
    this.fixed.clear();
    const base = this.#at >> 3;
    const long = this.mode.bits === 64;
    for (let i = 0; i < 16; i++) this.#u64[base + i] = long ? interesting(r) : i < 8 ? interesting(r) & 0xffffffffn : 0n;
    for (let i = this.#at + IN.CODE + this.shape.codeRoom; i < this.#at + this.shape.inputSize; i += 4) this.#u32[i >> 2] = r.u32();
    this.flags = 0x202 | (r.u32() & 0xcd5) | (r.oneIn(64) ? 0x40000 : 0) | (r.oneIn(256) ? 0x100 : 0);
    // Anywhere in the first page; now and then across the end of either.
    const edge = r.below(32);
    this.#start =
      CODE + (edge === 0 ? 0x1000 - 1 - r.below(room) : edge === 1 ? CODE_BYTES - 1 - r.below(room) : 0x100 + r.below(0xe00 - room));
  }

  /** The case is complete. */
  end(undefinedFlags: number, undefinedAt?: readonly number[]): void {
    if (undefinedAt) this.undefinedAt[this.count] = undefinedAt;
    const at = this.#at;
    const rsp = (at >> 3) + RSP;
    // Not every kernel returns from a signal to a stack pointer that is not canonical.
    if (this.mode.bits === 64) this.#u64[rsp] = BigInt.asUintN(64, BigInt.asIntN(48, this.#u64[rsp] as bigint));
    this.#u64[(at + IN.RIP) >> 3] = BigInt(this.#start - this.codeBase);
    this.#u32[(at + IN.CODE_LENGTH) >> 2] = this.#length;
    this.#u32[(at + IN.CODE_AT) >> 2] = this.#start;
    // Code that does not fit behind its start is cut off: it ends in the missing page.
    const room = CODE + CODE_BYTES - this.#start;
    if (this.#length > room) this.#u32[(at + IN.CODE_LENGTH) >> 2] = room;
    this.undefinedFlags[this.count++] = undefinedFlags;
  }

  get codeBase(): number {
    return this.mode.bits === 64 ? 0 : (this.mode.segments[CS]?.base ?? 0);
  }

  set flags(value: number) {
    this.#u32[(this.#at + IN.FLAGS) >> 2] = value;
  }
  get flags(): number {
    return this.#u32[(this.#at + IN.FLAGS) >> 2] as number;
  }

  get(n: number): bigint {
    return this.#u64[(this.#at >> 3) + n] as bigint;
  }
  /** Sets a register, or its low `bytes`. */
  set(n: number, value: bigint, bytes = 8): void {
    const m = mask(Math.min(bytes, this.mode.bits === 64 ? 8 : 4));
    const i = (this.#at >> 3) + n;
    this.#u64[i] = ((this.#u64[i] as bigint) & ~m) | (value & m);
  }

  /** Linear address of the next code byte, and its rip. */
  get linear(): number {
    return this.#start + this.#length;
  }
  get rip(): number {
    return this.linear - this.codeBase;
  }
  get length(): number {
    return this.#length;
  }

  byte(...values: number[]): void {
    for (const v of values) this.inputs[this.#at + IN.CODE + this.#length++] = v;
  }
  codeByte(offset: number): number {
    return this.inputs[this.#at + IN.CODE + offset] as number;
  }
  /** Overwrites a code byte already written (a branch's displacement). */
  patch(offset: number, value: number): void {
    this.inputs[this.#at + IN.CODE + offset] = value;
  }
  immediate(value: bigint, bytes: number): void {
    for (let i = 0; i < bytes; i++) this.byte(Number((value >> BigInt(8 * i)) & 0xffn));
  }

  /** Writes into a window of this case, where it lies in one. */
  poke(linear: number, value: bigint, bytes: number): void {
    let at = this.#at + IN.CODE + this.shape.codeRoom;
    for (const w of this.shape.windows) {
      for (let i = 0; i < bytes; i++) {
        const k = linear + i - w.address;
        if (k >= 0 && k < w.length) this.inputs[at + k] = Number((value >> BigInt(8 * i)) & 0xffn);
      }
      at += w.length;
    }
  }

  /** Fills all windows of this case: `byte` says with what. */
  fillWindows(byte: () => number): void {
    for (let i = this.#at + IN.CODE + this.shape.codeRoom; i < this.#at + this.shape.inputSize; i++) this.inputs[i] = byte();
  }

  // ---- operands ----

  register(): number {
    return this.random.below(this.mode.bits === 64 ? 16 : 8);
  }

  /** A linear address for an operand of `size` bytes that `reach` accepts; undefined when no window has one. */
  target(size: number, reach: (linear: number) => boolean): number | undefined {
    const r = this.random;
    const windows = this.shape.windows.filter((w) => reach(w.address) && reach(w.address + w.length - 1));
    if (windows.length === 0) return undefined;
    const w = r.pick(windows);
    let t = w.address + r.below(Math.max(1, w.length - size + 1));
    if (r.oneIn(2)) t &= -size;
    // Beyond a window at its page's end there is a missing page, one that nothing writes, or another window.
    if (w.address % 4096 === 0) {
      if (r.oneIn(8)) t = w.address - r.below(size + 1);
    } else if (t < w.address) t = w.address;
    if ((w.address + w.length) % 4096 === 0 && r.oneIn(8)) t = w.address + w.length - r.below(size + 1);
    return t;
  }

  /** An operand's place when no window can be reached: the page that is missing. */
  nowhere(segment: number): number {
    const base = this.#segmentBase(segment);
    return (base === 0 ? DATA : base) + 0x3000 + this.random.below(4000);
  }

  #segmentBase(segment: number): number {
    return this.mode.bits === 64 && segment < FS ? 0 : (this.mode.segments[segment]?.base ?? 0);
  }

  /** A memory operand; registers not in `fixed` get values. `align`: 16 for operands that want it. */
  memory(size: number, options: { align?: number; base?: number; target?: number } = {}): Address {
    const r = this.random;
    const word = this.word;
    // With a base given, the operand has that base, or none.
    const asz: 2 | 4 | 8 = options.base === undefined && r.oneIn(6) ? (word === 4 ? 2 : 4) : word;
    const override = r.oneIn(6) ? r.below(6) : -1;
    const shape = asz === 2 ? this.#pair() : this.#scaled(options.base);
    const stack = shape.base === RSP || shape.base === RBP;
    const segment = override >= 0 && (this.mode.bits !== 64 || override >= FS) ? override : stack ? SS : DS;
    const segmentBase = this.#segmentBase(segment);
    const span = asz === 2 ? 0x10000 : 0x1_0000_0000;
    let t = options.target ?? this.target(size, (at) => at >= segmentBase && at - segmentBase < span) ?? this.nowhere(segment);
    if (options.align && !r.oneIn(8)) t &= -options.align;
    if (r.oneIn(2) && size <= 8) this.poke(t, interesting(r), size);
    // (AMD refuses an offset that is not canonical even when the base of FS or GS makes it so.)
    // Only a register reaches that far.
    const far = shape.base >= 0 && !this.fixed.has(shape.base) && this.mode.bits === 64 && asz === 8 && segment < FS;
    const wild = far && options.target === undefined && options.base === undefined && r.oneIn(this.wildness);
    const offset = wild ? this.#wild(size) : BigInt(t - segmentBase);
    return this.#solve({ ...shape, size: asz, override, segment }, offset);
  }

  /** Addresses that are not canonical, or just are. */
  #wild(size: number): bigint {
    const r = this.random;
    const edge = (1n << 47n) - BigInt(r.below(size + 2));
    return r.pick([
      edge,
      edge,
      (1n << 47n) + BigInt(r.u32()),
      r.u64() | (1n << 62n),
      0xffff7ffffffffffcn,
      0xffff8000_00000000n - BigInt(r.below(4)),
    ]);
  }

  /** ModRM of 16-bit addresses. */
  #pair(): { base: number; index: number; scale: number; dispBytes: 0 | 1 | 2 | 4; rip: boolean; sib: boolean } {
    const r = this.random;
    const rm = r.below(8);
    const base = [RBX, RBX, RBP, RBP, RSI, RDI, RBP, RBX][rm] as number;
    const index = rm < 4 ? (rm & 1 ? RDI : RSI) : -1;
    const dispBytes = r.pick([0, 1, 2] as const);
    // [bp] without displacement is [disp16].
    return rm === 6 && dispBytes === 0
      ? { base: -1, index: -1, scale: 0, dispBytes: 2, rip: false, sib: false }
      : { base, index, scale: 0, dispBytes, rip: false, sib: false };
  }

  /** ModRM and SIB of 32- and 64-bit addresses. */
  #scaled(wanted?: number): { base: number; index: number; scale: number; dispBytes: 0 | 1 | 2 | 4; rip: boolean; sib: boolean } {
    const r = this.random;
    const registers = this.mode.bits === 64 ? 16 : 8;
    const none = r.oneIn(8);
    const rip = none && this.mode.bits === 64 && r.oneIn(2);
    const base = none ? -1 : (wanted ?? r.below(registers));
    let index = rip || wanted !== undefined || !r.oneIn(2) ? -1 : r.below(registers);
    if (index === RSP) index = -1;
    return {
      base,
      index,
      scale: index < 0 ? 0 : r.below(4),
      dispBytes: none ? 4 : r.pick([0, 1, 1, 4] as const),
      rip,
      sib: !rip && r.oneIn(2),
    };
  }

  /** Gives registers or the displacement what the sum needs. */
  #solve(
    a: {
      base: number;
      index: number;
      scale: number;
      dispBytes: 0 | 1 | 2 | 4;
      rip: boolean;
      sib: boolean;
      size: 2 | 4 | 8;
      override: number;
      segment: number;
    },
    offset: bigint,
  ): Address {
    const r = this.random;
    const { base, index, scale, size } = a;
    let dispBytes = a.dispBytes;
    // [rbp] and [r13] need a displacement.
    if (size !== 2 && dispBytes === 0 && (base & 7) === RBP && base >= 0) dispBytes = 1;
    const rest = { size, override: a.override, segment: a.segment, base, index, scale, sib: a.sib };
    if (a.rip) return { ...rest, disp: 0, dispBytes: 4, ripTarget: offset };
    const free = base >= 0 && !this.fixed.has(base);
    if (!free && dispBytes < (size === 2 ? 2 : 4)) dispBytes = size === 2 ? 2 : 4;
    let disp =
      dispBytes === 1
        ? r.below(256) - 128
        : dispBytes === 2
          ? r.below(0x10000) - 0x8000
          : dispBytes === 4
            ? r.oneIn(2)
              ? r.below(4096)
              : r.u32() | 0
            : 0;
    const indexed = () => (index >= 0 ? this.get(index) << BigInt(scale) : 0n);
    if (base >= 0 && base === index && free) {
      const times = 1n + (1n << BigInt(scale));
      this.set(base, offset / times, size);
      disp = Number(offset % times);
      if (dispBytes === 0 && disp !== 0) dispBytes = 1;
    } else if (free) this.set(base, offset - BigInt(disp) - indexed(), size);
    else {
      if (index >= 0 && !this.fixed.has(index)) this.set(index, BigInt(r.below(0x10000)), 8);
      const sum = offset - indexed() - (base >= 0 ? this.get(base) : 0n);
      disp = Number(BigInt.asIntN(32, sum));
    }
    return { ...rest, disp, dispBytes, ripTarget: undefined };
  }

  // ---- encoding ----

  instruction(i: Instruction): void {
    const r = this.random;
    const long = this.mode.bits === 64;
    const address = typeof i.rm === 'object' ? i.rm : undefined;
    const prefixes: number[] = [];
    const osz = i.osz ?? 1;
    const native = long ? 4 : this.word;
    const wanted = i.wide && long ? (osz === 8 ? 4 : osz) : osz;
    if (!i.vex && (wanted === 2 ? native === 4 : wanted === 4 && native === 2)) prefixes.push(0x66);
    const asz = address?.size ?? i.asz ?? this.word;
    if (asz !== this.word) prefixes.push(0x67);
    const override = address?.override ?? i.override ?? -1;
    if (override >= 0) prefixes.push(SEGMENT_PREFIX[override] as number);
    if (i.lock) prefixes.push(0xf0);
    if (i.rep) prefixes.push(i.rep);
    for (let k = prefixes.length - 1; k > 0; k--) {
      const other = r.below(k + 1);
      [prefixes[k], prefixes[other]] = [prefixes[other] as number, prefixes[k] as number];
    }
    this.byte(...prefixes);
    if (i.vex) this.#vex(i.vex, this.#extensions(i, address), osz === 8);
    else if (long) this.#rex(i, address, osz === 8 && (!i.wide || r.oneIn(4)));
    const opcode = [...i.opcode];
    if (i.low !== undefined) (opcode[opcode.length - 1] as number) |= i.low & 7;
    this.byte(...opcode);
    const immBytes = i.immBytes ?? 0;
    if (i.reg !== undefined) this.#modrm(i.reg & 7, i.rm ?? 0, immBytes);
    if (immBytes > 0) this.immediate(i.imm ?? 0n, immBytes);
  }

  /** R X B. */
  #extensions(i: Instruction, address: Address | undefined): number {
    let rxb = 0;
    if ((i.reg ?? 0) & 8) rxb |= 4;
    if (address) {
      if (address.index >= 8) rxb |= 2;
      if (address.base >= 8) rxb |= 1;
    } else if (((typeof i.rm === 'number' ? i.rm : 0) | (i.low ?? 0)) & 8) rxb |= 1;
    return rxb;
  }

  #vex({ map, pp, vvvv }: NonNullable<Instruction['vex']>, rxb: number, w: boolean): void {
    this.byte(0xc4, ((~rxb & 7) << 5) | map, (w ? 0x80 : 0) | ((~vvvv & 15) << 3) | pp);
  }

  #rex(i: Instruction, address: Address | undefined, w: boolean): void {
    const rex = (w ? 8 : 0) | this.#extensions(i, address);
    // Without REX the registers 4 to 7 of 8 bits are AH CH DH BH.
    if (rex !== 0 || this.random.oneIn(6)) this.byte(0x40 | rex);
  }

  #modrm(reg: number, rm: number | Address, immBytes: number): void {
    if (typeof rm === 'number') {
      this.byte(0xc0 | (reg << 3) | (rm & 7));
      return;
    }
    const { base, index, scale, disp, dispBytes } = rm;
    const mod = base < 0 ? 0 : dispBytes === 0 ? 0 : dispBytes === 1 ? 0x40 : 0x80;
    if (rm.size === 2) {
      const low =
        base < 0
          ? 6
          : index >= 0
            ? (base === RBX ? 0 : 2) | (index === RDI ? 1 : 0)
            : base === RSI
              ? 4
              : base === RDI
                ? 5
                : base === RBP
                  ? 6
                  : 7;
      this.byte(mod | (reg << 3) | low);
    } else if (rm.ripTarget !== undefined) {
      this.byte((reg << 3) | 5);
      const next = BigInt(this.linear + 4 + immBytes);
      this.immediate(BigInt.asUintN(32, rm.ripTarget - next), 4);
      return;
    } else if (index >= 0 || rm.sib || (base < 0 ? this.mode.bits === 64 : (base & 7) === RSP)) {
      this.byte(mod | (reg << 3) | 4, (scale << 6) | ((index < 0 ? 4 : index & 7) << 3) | (base < 0 ? 5 : base & 7));
    } else this.byte(mod | (reg << 3) | (base < 0 ? 5 : base & 7));
    this.immediate(BigInt.asUintN(32, BigInt(disp)), dispBytes);
  }
}
