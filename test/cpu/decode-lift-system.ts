/**
 * The micro-ops of the system instructions (SYS_* of sys.ts) read back: see decode-lift.ts.
 *
 * @module
 */
import { Register } from 'iced-x86';
import { constants } from './decode-core.ts';
import {
  bits,
  type Check,
  code,
  disp,
  FAR,
  gpr,
  imm16,
  immediate,
  immWord,
  ins,
  isRegister,
  mem,
  mnemonic,
  no,
  operands,
  operandSize,
  r4,
  r5,
  register,
  rm,
  type Rule,
  size,
  u8,
} from './decode-operands.ts';

const SYS = constants('sys.ts');
export const sysRules: Rule[] = [];
function sys(name: string, test: Rule): void {
  const n = SYS[name];
  if (n === undefined) throw new Error(`no system operation ${name}`);
  sysRules[n] = test;
}
const only =
  (...names: string[]): Rule =>
  () =>
    mnemonic(...names);
for (const [name, m] of Object.entries({
  HLT: 'Hlt',
  CLI: 'Cli',
  STI: 'Sti',
  CLTS: 'Clts',
  INVD: 'Invd',
  WBINVD: 'Wbinvd',
  RDMSR: 'Rdmsr',
  WRMSR: 'Wrmsr',
  RDTSC: 'Rdtsc',
  RDTSCP: 'Rdtscp',
  RDPMC: 'Rdpmc',
  SYSCALL: 'Syscall',
  SYSENTER: 'Sysenter',
  SWAPGS: 'Swapgs',
  CPUID: 'Cpuid',
  VMCALL: 'Vmcall',
  XGETBV: 'Xgetbv',
  XSETBV: 'Xsetbv',
  PAUSE: 'Pause',
  EMMS: 'Emms',
  RSM: 'Rsm',
  RDPKRU: 'Rdpkru',
  WRPKRU: 'Wrpkru',
}))
  sys(`SYS_${name}`, only(m));
sys('SYS_FWAIT', only('Wait', 'Fwait'));
sys('SYS_PUSHF', () => mnemonic('Pushf', 'Pushfd', 'Pushfq') ?? operandSize(size()));
sys('SYS_POPF', () => mnemonic('Popf', 'Popfd', 'Popfq') ?? operandSize(size()));
sys('SYS_IRET', () => mnemonic('Iret', 'Iretd', 'Iretq') ?? operandSize(size()));
sys('SYS_SYSRET', () => mnemonic('Sysret', 'Sysretq') ?? no('wide', size() === 8, code.operandSize === 64));
sys('SYS_SYSEXIT', () => mnemonic('Sysexit', 'Sysexitq') ?? no('wide', size() === 8, code.operandSize === 64));
sys('SYS_INT', () => {
  const k = imm16() >> 8;
  if (k === 0) return mnemonic('Int') ?? operands(immediate(8, () => BigInt(imm16())));
  return mnemonic(['', 'Int3', 'Into', 'Int1'][k] as string) ?? no('vector', imm16() & 0xff, [0, 3, 4, 1][k]);
});
const farOperand: Check = (i) => {
  const width = [2, 4][FAR.indexOf(ins.opKind(i))];
  const target = width === 2 ? ins.farBranch16 : ins.farBranch32;
  return (
    no('size', size(), width) ??
    no('selector', imm16(), ins.farBranchSelector) ??
    no('offset', size() === 2 ? disp() & 0xffff : disp() >>> 0, target >>> 0)
  );
};
sys('SYS_CALL_FAR', () => mnemonic('Call') ?? operands(farOperand));
sys('SYS_JMP_FAR', () => mnemonic('Jmp') ?? operands(farOperand));
sys('SYS_CALL_FAR_M', () => mnemonic('Call') ?? operands(mem(size() + 2)));
sys('SYS_JMP_FAR_M', () => mnemonic('Jmp') ?? operands(mem(size() + 2)));
sys('SYS_RET_FAR', () => mnemonic('Retf') ?? operandSize(size()) ?? (ins.opCount === 0 ? no('bytes', imm16(), 0) : operands(immWord(16))));
const sreg = (n: () => number): Check => register(() => Register.ES + n());
sys(
  'SYS_MOV_TO_SEG',
  () =>
    mnemonic('Mov') ??
    operands(
      sreg(() => u8(4)),
      rm(size() * 8, 2),
    ),
);
sys(
  'SYS_MOV_FROM_SEG',
  () =>
    mnemonic('Mov') ??
    operands(
      rm(size() * 8, 2),
      sreg(() => u8(4)),
    ),
);
sys('SYS_POP_SEG', () => mnemonic('Pop') ?? operands(sreg(() => u8(4))) ?? operandSize(size()));
sys(
  'SYS_LOAD_FAR',
  () =>
    mnemonic(['Les', '', 'Lss', 'Lds', 'Lfs', 'Lgs'][imm16()] as string) ??
    operands(
      register(() => gpr(u8(4) << 3, size() * 8)),
      mem(size() + 2),
    ),
);
const wide = (): number => (bits === 64 ? 64 : 32);
sys(
  'SYS_MOV_TO_CR',
  () =>
    mnemonic('Mov') ??
    operands(
      register(() => Register.CR0 + u8(4)),
      r5(wide()),
    ) ??
    no('size', size() * 8, wide()),
);
sys(
  'SYS_MOV_FROM_CR',
  () =>
    mnemonic('Mov') ??
    operands(
      r5(wide()),
      register(() => Register.CR0 + u8(4)),
    ) ??
    no('size', size() * 8, wide()),
);
sys(
  'SYS_MOV_TO_DR',
  () =>
    mnemonic('Mov') ??
    operands(
      register(() => Register.DR0 + u8(4)),
      r5(wide()),
    ) ??
    no('size', size() * 8, wide()),
);
sys(
  'SYS_MOV_FROM_DR',
  () =>
    mnemonic('Mov') ??
    operands(
      r5(wide()),
      register(() => Register.DR0 + u8(4)),
    ) ??
    no('size', size() * 8, wide()),
);
sys(
  'SYS_TABLES',
  () =>
    mnemonic(['Sgdt', 'Sidt', 'Lgdt', 'Lidt'][imm16()] as string) ??
    operands(mem(bits === 64 ? 10 : 6)) ??
    (bits === 64 ? undefined : operandSize(size())),
);
sys('SYS_GROUP6', () => mnemonic(['Sldt', 'Str', 'Lldt', 'Ltr', 'Verr', 'Verw'][imm16()] as string) ?? operands(rm(size() * 8, 2)));
sys('SYS_SMSW', () => mnemonic('Smsw') ?? operands(rm(size() * 8, 2)));
sys('SYS_LMSW', () => mnemonic('Lmsw') ?? operands(rm(size() * 8, 2)));
sys('SYS_INVLPG', () => mnemonic('Invlpg') ?? operands(mem(0)));
sys('SYS_SET_AC', () => mnemonic(['Clac', 'Stac'][imm16()] as string));
sys('SYS_INVPCID', () => mnemonic('Invpcid') ?? operands(r4(wide()), mem(16)));
sys('SYS_CLFLUSH', () => mnemonic(['Clflush', '', '', '', '', '', 'Clwb', 'Clflushopt'][imm16()] as string) ?? operands(mem(0)));
sys('SYS_BASE', () => {
  const w = size() * 8;
  return mnemonic(['Rdfsbase', 'Rdgsbase', 'Wrfsbase', 'Wrgsbase'][imm16()] as string) ?? operands(r5(w));
});
// The identifier has 32 bits whatever the register.
sys('SYS_RDPID', () => mnemonic('Rdpid') ?? operands(r5(bits === 64 ? 64 : 32)));
sys('SYS_RANDOM', () => mnemonic(code.name === 'Rdseed' ? 'Rdseed' : 'Rdrand') ?? operands(r5(size() * 8)));
// Only the low 16 bits of the source count; a 64-bit LAR or LSL names its source by 32 bits.
const selectorSource: Check = (i) =>
  isRegister() ? register(() => gpr(u8(5), size() === 2 ? 16 : size() === 8 && ins.opRegister(i) >= Register.RAX ? 64 : 32))(i) : mem(2)(i);
sys('SYS_LAR', () => mnemonic('Lar') ?? operands(r4(size() * 8), selectorSource));
sys('SYS_LSL', () => mnemonic('Lsl') ?? operands(r4(size() * 8), selectorSource));
// iced names 32-bit registers when the operand size is 32; the instruction is of 16 bits.
const arplRegister = (slot: () => number): Check => register(() => gpr(slot(), code.operandSize));
sys(
  'SYS_ARPL',
  () =>
    mnemonic('Arpl') ??
    operands(
      (i) => (isRegister() ? arplRegister(() => u8(5))(i) : mem(2)(i)),
      arplRegister(() => u8(4) << 3),
    ),
);
const accumulator: Check = register(() => gpr(0, size() * 8));
const dx: Check = register(() => Register.DX);
sys('SYS_IN_IMM', () => mnemonic('In') ?? operands(accumulator, immWord(8)));
sys('SYS_IN_DX', () => mnemonic('In') ?? operands(accumulator, dx));
sys('SYS_OUT_IMM', () => mnemonic('Out') ?? operands(immWord(8), accumulator));
sys('SYS_OUT_DX', () => mnemonic('Out') ?? operands(dx, accumulator));
sys('SYS_FX', () => {
  const names = [['Fxsave', 'Fxsave64'], ['Fxrstor', 'Fxrstor64'], ['Ldmxcsr'], ['Stmxcsr']];
  const wideForm = code.name.endsWith('64');
  return (
    mnemonic(...(names[imm16()] as string[])) ??
    operands(mem(imm16() < 2 ? 512 : 4)) ??
    (imm16() < 2 ? no('wide', size() === 8, wideForm) : undefined)
  );
});
sys('SYS_XSAVE', () => {
  const name = ['Xsave', 'Xrstor', 'Xsaveopt', 'Xsavec'][imm16()] as string;
  return mnemonic(name, `${name}64`) ?? operands(mem(0)) ?? no('wide', size() === 8, code.name.endsWith('64'));
});
