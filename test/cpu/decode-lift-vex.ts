/**
 * Micro-ops of VEX-encoded instructions on vectors read back: see decode-lift.ts. What the operands are iced's table of encodings says; where the
 * micro-op has them, vex.ts.
 *
 * @module
 */
import { OpCodeOperandKind as K, OpCodeTableKind, OpKind, Register } from 'iced-x86';
import { offsetOf } from '../../vmm/cpu/layout.ts';
import { constants, view } from './decode-core.ts';
import {
  ADDRESS_BITS,
  at,
  bits,
  type Check,
  code,
  gpr,
  immediate,
  ins,
  isRegister,
  mandatoryColumn,
  mem,
  memVsib,
  no,
  operands,
  segmentOf,
  u8,
  type Wrong,
} from './decode-operands.ts';

const VEX = constants('vex.ts');
const SHAPE = constants('vex-table.ts');
const TABLES = [OpCodeTableKind.T0F, OpCodeTableKind.T0F38, OpCodeTableKind.T0F3A];
const XMM = offsetOf('XMM');

const word = (): number => view.getUint32(at + 12, true);
const flag = (name: string): boolean => (word() & (VEX[name] as number)) !== 0;
const reg = (): number => u8(4) & 15;
const vvvv = (): number => u8(4) >> 4;
const immediateByte = (): number => (word() >>> 16) & 0xff;

/** VANDPS VANDPD and so on are decoded as VPAND and so on. */
const LOGIC: Record<number, number> = { 84: 0xdb, 85: 0xdf, 86: 0xeb, 87: 0xef };

function opcode(): Wrong {
  const w = word();
  const table = TABLES[(w >> 10) & 3];
  if (code.table === OpCodeTableKind.T0F && LOGIC[code.opCode] === (w & 0xff)) return no('map', table, code.table);
  return (
    no('map', table, code.table) ??
    no('opcode', w & 0xff, code.opCode) ??
    // The shape 3 is of integers, which have 66 alone.
    no('prefix', (w >> 8) & 3, mandatoryColumn()) ??
    (code.group >= 0 && code.opCode !== 0xae ? no('group', reg() & 7, code.group) : undefined)
  );
}

/** A register by the kind of iced's operand, and its number. */
function named(kind: string, number: () => number): Check {
  return (i) => {
    if (ins.opKind(i) !== OpKind.Register) return `operand ${i} is no register`;
    const n = number();
    const ours = kind.startsWith('xmm')
      ? Register.XMM0 + n
      : kind.startsWith('ymm')
        ? Register.YMM0 + n
        : gpr(n << 3, kind.startsWith('r64') ? 64 : 32);
    return no('register', Register[ours], Register[ins.opRegister(i)]);
  };
}

/** The r/m operand that is a register also has its place in the state. */
function rmRegister(kind: string): Check {
  const check = named(kind, () => u8(5));
  return (i) => check(i) ?? no('place', view.getUint32(at + 8, true), /^[xy]mm/.test(kind) ? XMM + u8(5) * 32 : u8(5) * 8);
}

/** Memory as it is, and how many bytes of it. */
const memory: Check = (i) => mem(0)(i) ?? no('memory bytes', 1 << (word() >>> 29), code.memoryBytes);

function operand(kind: K): Check {
  const name = K[kind] as string;
  if (name.includes('vsib'))
    return (i) => memVsib(i) ?? no('index', immediateByte(), (ins.memoryIndex - (name.endsWith('y') ? Register.YMM0 : Register.XMM0)) | 0);
  if (name.endsWith('_or_mem')) return (i) => (isRegister() ? rmRegister(name)(i) : memory(i));
  if (name === 'mem') return memory;
  if (name.endsWith('_rm')) return rmRegister(name);
  if (name.endsWith('_reg')) return named(name, reg);
  if (name.endsWith('_vvvv')) return named(name, vvvv);
  if (name.endsWith('_is4')) return named(name, () => immediateByte() >> 4);
  if (name === 'imm8') return immediate(8, () => BigInt(immediateByte()));
  if (name === 'seg_rDI')
    return (i) =>
      no('address size', ADDRESS_BITS[u8(7) >> 6], [16, 32, 64][ins.opKind(i) - OpKind.MemorySegDI]) ??
      segmentOf((u8(7) >> 3) & 7) ??
      no('needs completing', (u8(7) & 4) !== 0, !(bits === 64 && u8(7) < 0x20));
  return () => `an operand ${name}`;
}

/** W is the size of a general operand: in 64-bit code. With the others that iced calls so it only names the register wider than what is taken of it. */
const SIZED_BY_W = /^V(mov[dq]|cvtt?s[sd]2si|cvtsi2s[sd]|pinsr[dq]|pextr[dq]|pcmpestr[im])(64)?$/;

/** L and W as they count. */
function lengths(): Wrong {
  const { vex } = code;
  const w = !vex.wig32 || bits === 64 ? vex.w : 0;
  const free = vex.wig || (vex.wig32 && bits !== 64 && !SIZED_BY_W.test(code.name));
  return no('L', Number(flag('AVX_L')), vex.lig ? 0 : vex.l) ?? (free ? undefined : no('W', Number(flag('AVX_W')), w));
}

/** What memory is for: whether it is written, and must be aligned. */
function access(): Wrong {
  if (isRegister() || code.vex.operands.length === 0) return undefined;
  const writes = ins.op0Kind === OpKind.Memory && code.name !== 'Vldmxcsr';
  return no('store', flag('AVX_STORE'), writes) ?? no('aligned', flag('AVX_ALIGNED'), /^Vmov(ap[sd]|dqa|ntp[sd]|ntdqa?)$/.test(code.name));
}

export function avx(): Wrong {
  // The shape of packed integers has one prefix; floating-point logic shares it.
  if (((word() >> 24) & 31) === SHAPE['SHAPE_PACKED'] && ((word() >> 8) & 3) !== 1) return 'packed without 66';
  return opcode() ?? lengths() ?? operands(...code.vex.operands.map(operand)) ?? access();
}
