/**
 * A walk over all encodings: every opcode of every map, behind prefixes, with every ModRM byte, executed in a mode of the processor. What iced-x86 calls no
 * instruction of this processor must be #UD, anything else must not, and one that does not branch must be as long as iced says.
 *
 * What the processor refuses for its mode or for control bits, though it decodes it, stands in `refused` and `refusedBy` with its clause.
 *
 * @module
 */
import { CpuidFeature, Code, Decoder, EncodingKind, FlowControl, Instruction, OpCodeTableKind, OpKind, Register } from 'iced-x86';
import type { Feature } from '../../vmm/cpu/cpuid.ts';
import { type Extensions, extensions, isaIn } from './decode-oracle.ts';
import { encodingOf } from './decode-operands.ts';
import { ESCAPES, MAPS, vexSets } from './decode-random.ts';
import { type Conditions, type Outcome, WALK_MODES, WalkCore, type WalkMode } from './walk-core.ts';

const SLOT = 16;
const UD = 6;
const NM = 7;
/** Displacement and immediate bytes. */
const FILLER = 0x50;

/** SDM vol. 2, "Real-Address Mode Exceptions" of each: not recognized there, nor in virtual-8086 mode. */
const PROTECTED_ONLY = ['Sldt', 'Str', 'Lldt', 'Ltr', 'Verr', 'Verw', 'Lar', 'Lsl', 'Arpl'];

/** Why this valid instruction is #UD in a mode. */
function refused(name: string, isVex: boolean, mode: WalkMode): boolean {
  if (/^Ud[012]$/.test(name)) return true;
  // Outside SMM (SDM vol. 2, RSM).
  if (name === 'Rsm') return true;
  if (/^Sys(call|ret)/.test(name)) return mode !== 'long';
  if (mode === 'real' || mode === 'vm86') if (isVex || PROTECTED_ONLY.includes(name)) return true;
  // CPL > 0 (SDM vol. 2, CLAC, STAC).
  if (name === 'Clac' || name === 'Stac') return mode === 'vm86' || mode === 'compatibility';
  return false;
}

/** Classes of instructions by the state that they use. */
interface Uses {
  readonly x87: boolean;
  readonly mmx: boolean;
  readonly xmm: boolean;
  /** VEX, but for general registers. */
  readonly vex: boolean;
}

const X87 = { from: 0xd8, to: 0xdf } as const;

function usesOf(ins: Instruction): Uses {
  const { table, opCode, opCodeLength, name, features } = encodingOf(ins);
  const first = opCodeLength === 2 ? opCode >> 8 : opCode;
  const registers = Array.from({ length: ins.opCount }, (_, i) => (ins.opKind(i) === OpKind.Register ? ins.opRegister(i) : Register.None));
  const isVex = ins.encoding === EncodingKind.VEX;
  return {
    x87: table === OpCodeTableKind.Normal && first >= X87.from && first <= X87.to,
    mmx: name === 'Emms' || registers.some((r) => r >= Register.MM0 && r <= Register.MM7),
    xmm:
      !isVex &&
      (/^(Ldmxcsr|Stmxcsr|Cvtt?s[sd]2si|Cvtt?p[sd]2pi)$/.test(name) || registers.some((r) => r >= Register.XMM0 && r <= Register.XMM15)),
    vex: isVex && !features.includes(CpuidFeature.BMI1) && !features.includes(CpuidFeature.BMI2),
  };
}

/**
 * #UD or #NM by control bits, which come before anything about memory: SDM vol. 2, 2.4 and 2.5 (tables of exception classes), vol. 3, tables 2-1
 * 12-1 and 13-1, and 6.15 "Interrupt 6" (instructions on MMX registers alone do without OSFXSR). 0: neither.
 */
function refusedBy(ins: Instruction, { em, ts, noOsfxsr, noOsxsave }: Conditions): number {
  const { name } = encodingOf(ins);
  const { x87, mmx, xmm, vex } = usesOf(ins);
  const xsave = /^X(save|rstor)/.test(name);
  const fx = /^Fx(save|rstor)/.test(name);
  if (noOsxsave && (vex || xsave || /^X[gs]etbv$/.test(name))) return UD;
  if (em && (mmx || xmm || fx)) return UD;
  if (noOsfxsr && xmm) return UD;
  if (em && x87) return NM;
  // FWAIT needs CR0.MP besides, which is set.
  if (ts && (x87 || mmx || xmm || vex || xsave || fx || name === 'Wait')) return NM;
  return 0;
}

/** Prefixes that a map is walked with. */
export const PREFIX_SETS: readonly (readonly number[])[] = [
  [],
  [0x66],
  [0xf3],
  [0xf2],
  [0xf0],
  [0x67],
  [0x66, 0xf3],
  [0xf2, 0x66],
  [0xf3, 0xf2],
  [0xf0, 0xf2],
];
const REX_SETS: readonly (readonly number[])[] = [[0x48], [0x45], [0x66, 0x4f], [0xf3, 0x48], [0xf2, 0x41], [0x48, 0x66]];

export interface Walked {
  executed: number;
  undefinedOpcodes: number;
  readonly wrong: string[];
}

const SHOWN_WRONG = 30;

/** Walks a mode with the features of a CPU; every `step`th ModRM byte, another one behind each opcode. */
export function walk(mode: WalkMode, features: readonly Feature[], step: number, conditions: Conditions = {}): Walked {
  const bits = WALK_MODES[mode];
  const core = new WalkCore(mode, features, conditions);
  const decoded = extensions(isaIn(features));
  // Which control register or address decides, the decoder does not ask CPUID.
  const have = features.includes('smap') ? { ...decoded, have: new Set([...decoded.have, CpuidFeature.SMAP]) } : decoded;
  const sum: Walked = { executed: 0, undefinedOpcodes: 0, wrong: [] };
  const legacy = [...PREFIX_SETS, ...(bits === 64 ? REX_SETS : [])];
  for (const [i, map] of MAPS.entries()) {
    for (const prefixes of legacy) every([...prefixes, ...map], (op) => ESCAPES[i]?.includes(op) === true);
  }
  for (const vex of vexSets()) every(vex, () => false);
  return sum;

  function every(before: readonly number[], leads: (op: number) => boolean): void {
    for (let op = 0; op < 256; op++) {
      if (leads(op)) continue;
      const count = Math.ceil((256 - (op % step)) / step);
      const code = new Uint8Array(count * SLOT).fill(FILLER);
      for (let n = 0; n < count; n++) code.set([...before, op, (op % step) + n * step], n * SLOT);
      group(core, code, mode, have, conditions, sum);
    }
  }
}

const ins = new Instruction();

function group(core: WalkCore, code: Uint8Array, mode: WalkMode, have: Extensions, conditions: Conditions, sum: Walked): void {
  const iced = new Decoder(WALK_MODES[mode], code, have.options);
  for (let at = 0; at < code.length; at += SLOT) {
    iced.position = at;
    iced.decodeOut(ins);
    const bytes = code.subarray(at, at + SLOT);
    const outcome = core.execute(bytes);
    const wrong = outcome.broken ?? judge(mode, have.have, conditions, outcome);
    sum.executed++;
    if (outcome.vector === UD) sum.undefinedOpcodes++;
    if (wrong !== undefined && sum.wrong.length < SHOWN_WRONG) sum.wrong.push(`${mode} ${Buffer.from(bytes).toString('hex')}: ${wrong}`);
  }
  iced.free();
}

function judge(mode: WalkMode, have: ReadonlySet<CpuidFeature>, conditions: Conditions, { vector, moved }: Outcome): string | undefined {
  if (ins.code === Code.INVALID) return vector === UD ? undefined : `iced: invalid, vector ${vector}`;
  const { name, features } = encodingOf(ins);
  // The hypercall is there without VMX.
  const there = name === 'Vmcall' || features.every((f) => have.has(f));
  const isVex = ins.encoding === EncodingKind.VEX;
  const wanted = !there || refused(name, isVex, mode) ? UD : refusedBy(ins, conditions);
  const found = vector === UD || vector === NM ? vector : 0;
  if (wanted !== found) return `iced: ${name}, vector ${vector}, not ${wanted}`;
  const plain = ins.flowControl === FlowControl.Next && name !== 'Hlt' && !ins.hasRepPrefix && !ins.hasRepnePrefix;
  if (vector === undefined && plain && moved !== ins.length) return `iced: ${name}, ${ins.length} bytes; here ${moved}`;
  return undefined;
}
