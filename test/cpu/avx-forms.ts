/**
 * Every VEX-encoded instruction that iced-x86 knows of a set of extensions, encoded with chosen or random operands.
 *
 * @module
 */
import {
  Code,
  CodeExt,
  type CpuidFeature,
  Encoder,
  EncodingKind,
  Instruction,
  Mnemonic,
  OpCodeOperandKind as K,
  OpKind,
  Register,
} from 'iced-x86';
import { below, random } from './simd-values.ts';

export interface VexForm {
  readonly code: Code;
  /** Mnemonic in lower case. */
  readonly name: string;
  readonly kinds: readonly K[];
  readonly mem: boolean;
  readonly gather: boolean;
}

const KINDS = ['op0Kind', 'op1Kind', 'op2Kind', 'op3Kind'] as const;
const MEMORY = new Set<K>([K.mem, K.mem_vsib32x, K.mem_vsib32y, K.mem_vsib64x, K.mem_vsib64y]);
const EITHER = new Map<K, K>([
  [K.xmm_or_mem, K.xmm_rm],
  [K.ymm_or_mem, K.ymm_rm],
  [K.r32_or_mem, K.r32_rm],
  [K.r64_or_mem, K.r64_rm],
]);
const VSIB = new Map<K, Register>([
  [K.mem_vsib32x, Register.XMM0],
  [K.mem_vsib64x, Register.XMM0],
  [K.mem_vsib32y, Register.YMM0],
  [K.mem_vsib64y, Register.YMM0],
]);

const NAMES = new Map(Object.entries(Mnemonic).map(([name, value]) => [value, name.toLowerCase()]));

function featuresOf(code: Code): CpuidFeature[] {
  const instruction = new Instruction();
  instruction.code = code;
  const features = [...instruction.cpuidFeatures()];
  instruction.free();
  return features;
}

/** All forms whose extensions are among `features`: those with r/m twice, as a register and as memory. */
export function vexForms(features: readonly CpuidFeature[]): VexForm[] {
  const forms: VexForm[] = [];
  for (const code of Object.values(Code).filter((c) => typeof c === 'number')) {
    const info = CodeExt.opCode(code as Code);
    if (info.encoding !== EncodingKind.VEX || !featuresOf(code as Code).every((f) => features.includes(f))) continue;
    const kinds = KINDS.slice(0, info.opCount).map((k) => info[k]);
    const name = NAMES.get(info.mnemonic) ?? '';
    const base = { code: code as Code, name, gather: kinds.some((k) => VSIB.has(k)) };
    if (kinds.some((k) => MEMORY.has(k))) forms.push({ ...base, kinds, mem: true });
    else {
      forms.push({ ...base, kinds: kinds.map((k) => EITHER.get(k) ?? k), mem: false });
      if (kinds.some((k) => EITHER.has(k))) forms.push({ ...base, kinds: kinds.map((k) => (EITHER.has(k) ? K.mem : k)), mem: true });
    }
    info.free();
  }
  return forms;
}

const GPRS32 = [Register.EAX, Register.ECX, Register.EDX, Register.EBX];
const GPRS64 = [Register.RAX, Register.RCX, Register.RDX, Register.RBX];

/** What is encoded beside the form. `registers`: vector registers to choose from. */
export interface Encoding {
  readonly registers: number;
  /** Bytes behind rsi; of a gather also the scale and the index register, which is none of the others. */
  readonly displacement: number;
  readonly scale: number;
}

export interface Encoded {
  readonly bytes: Uint8Array;
  readonly imm: number;
  /** Numbers of the vector registers by operand, the index of a gather last. */
  readonly vectors: readonly number[];
}

/** Encodes a form with random operands. Fields that do not count are random, too. */
export function encodeForm(form: VexForm, { registers, displacement, scale }: Encoding): Encoded {
  const instruction = new Instruction();
  instruction.code = form.code;
  const vectors: number[] = [];
  let imm = 0;
  const vector = (base: Register): Register => {
    let n = below(registers);
    while (form.gather && vectors.includes(n)) n = below(registers);
    vectors.push(n);
    return (base + n) as Register;
  };
  let index = Register.None as Register;
  form.kinds.forEach((kind, i) => {
    const name = K[kind] ?? '';
    if (MEMORY.has(kind)) {
      instruction.setOpKind(i, OpKind.Memory);
      instruction.memoryBase = Register.RSI;
      const base = VSIB.get(kind);
      if (base !== undefined) index = base;
      else if (displacement !== 0) instruction.memoryDisplSize = 1;
      instruction.memoryDisplacement = BigInt(displacement);
      if (displacement !== 0) instruction.memoryDisplSize = 1;
    } else if (kind === K.seg_rDI) instruction.setOpKind(i, OpKind.MemorySegRDI);
    else if (kind === K.imm8) {
      imm = below(3) ? random() & 0xff : random() & 0x1f;
      instruction.setOpKind(i, OpKind.Immediate8);
      instruction.immediate8 = imm;
    } else {
      instruction.setOpKind(i, OpKind.Register);
      const register = name.startsWith('ymm')
        ? vector(Register.YMM0)
        : name.startsWith('xmm')
          ? vector(Register.XMM0)
          : ((name.startsWith('r64') ? GPRS64 : GPRS32)[below(4)] as Register);
      instruction.setOpRegister(i, register);
    }
  });
  if (index !== Register.None) {
    instruction.memoryIndex = vector(index);
    instruction.memoryIndexScale = scale;
  }
  const encoder = new Encoder(64);
  encoder.VEX_WIG = below(2);
  encoder.VEX_LIG = below(2);
  encoder.preventVEX2 = below(4) === 0;
  encoder.encode(instruction, 0n);
  const bytes = encoder.takeBuffer();
  encoder.free();
  instruction.free();
  return { bytes, imm, vectors };
}
