/**
 * What is printed of a guest that died: why, its registers, the disassembly around rip, and its last exits.
 *
 * iced-x86 disassembles, for people only; it is loaded when a guest dies, because loading it takes as long as starting a VM.
 *
 * @module
 */
import { offsetOf } from './cpu/layout.ts';
import { GENERAL, type SpecialRegisters } from './cpu/registers.ts';
import type { Vcpu } from './cpu/vcpu.ts';
import { exitReasonName } from './exit-reason.ts';
import type { Vm } from './vm.ts';

const hex = (value: bigint | number, digits: number): string => value.toString(16).padStart(digits, '0');

const RING = 64;

/** RFLAGS bits that are set, by name. */
function flagNames(rflags: bigint): string {
  const names: Readonly<Record<number, string>> = {
    0: 'CF',
    2: 'PF',
    4: 'AF',
    6: 'ZF',
    7: 'SF',
    8: 'TF',
    9: 'IF',
    10: 'DF',
    11: 'OF',
    14: 'NT',
    16: 'RF',
    17: 'VM',
    18: 'AC',
    21: 'ID',
  };
  return Object.entries(names)
    .filter(([bit]) => (rflags >> BigInt(bit)) & 1n)
    .map(([, name]) => name)
    .join(' ');
}

/** The vCPU's registers, four to a line. */
export function registerLines(vcpu: Vcpu): string[] {
  const regs = vcpu.getRegs();
  const sregs = vcpu.getSregs();
  const lines: string[] = [];
  for (let i = 0; i < GENERAL.length; i += 4) {
    lines.push(
      GENERAL.slice(i, i + 4)
        .map((name) => `${name.padEnd(3)} ${hex(regs[name], 16)}`)
        .join('  '),
    );
  }
  lines.push(`rip ${hex(regs.rip, 16)}  rflags ${hex(regs.rflags, 8)} [${flagNames(regs.rflags)}]`);
  const names = ['cs', 'ss', 'ds', 'es', 'fs', 'gs', 'ldtr', 'tr'] as const;
  for (let i = 0; i < names.length; i += 2) {
    lines.push(
      names
        .slice(i, i + 2)
        .map((name) => {
          const s = sregs[name];
          return `${name.padEnd(4)} ${hex(s.selector, 4)} base ${hex(s.base, 16)} limit ${hex(s.limit, 8)} ar ${hex(s.accessRights, 5)}`;
        })
        .join('  '),
    );
  }
  lines.push(
    `gdtr base ${hex(sregs.gdtr.base, 16)} limit ${hex(sregs.gdtr.limit, 4)}  idtr base ${hex(sregs.idtr.base, 16)} limit ${hex(sregs.idtr.limit, 4)}`,
  );
  lines.push(
    `cr0 ${hex(sregs.cr0, 8)}  cr2 ${hex(sregs.cr2, 16)}  cr3 ${hex(sregs.cr3, 12)}  cr4 ${hex(sregs.cr4, 8)}  efer ${hex(sregs.efer, 4)}`,
  );
  return lines;
}

/** 16, 32 or 64, as CS says. */
function codeSize(sregs: SpecialRegisters): 16 | 32 | 64 {
  if ((sregs.efer & 0x400n) !== 0n && (sregs.cs.accessRights & 0x2000) !== 0) return 64;
  return (sregs.cs.accessRights & 0x4000) !== 0 ? 32 : 16;
}

type Iced = typeof import('iced-x86');

/** Instructions around rip; the one at rip is marked. Instructions before it are a guess: the longest run that ends at rip. */
export async function disassemblyLines(vcpu: Vcpu): Promise<string[]> {
  return disassembledLines((await import('iced-x86')).default, vcpu);
}

/** The same for whoever may not wait. */
export function disassembledLines({ Decoder, DecoderOptions, Formatter, FormatterSyntax }: Iced, vcpu: Vcpu): string[] {
  const sregs = vcpu.getSregs();
  const rip = vcpu.getRegs().rip;
  const bitness = codeSize(sregs);
  const base = bitness === 64 ? 0n : sregs.cs.base;
  const formatter = new Formatter(FormatterSyntax.Nasm);
  const decode = (from: bigint, bytes: Uint8Array, until: bigint, count: number): { ip: bigint; text: string }[] => {
    const decoder = new Decoder(bitness, bytes, DecoderOptions.None);
    decoder.ip = from;
    const out: { ip: bigint; text: string }[] = [];
    while (decoder.canDecode && decoder.ip < until && out.length < count) {
      const instruction = decoder.decode();
      const at = Number(instruction.ip - from);
      const raw = [...bytes.subarray(at, at + instruction.length)].map((b) => hex(b, 2)).join('');
      out.push({ ip: instruction.ip, text: `${raw.padEnd(24)} ${instruction.isInvalid ? '(bad)' : formatter.format(instruction)}` });
      instruction.free();
    }
    const end = decoder.ip;
    decoder.free();
    return end === until || until === END ? out : [];
  };
  const after = vcpu.readLinear(BigInt.asUintN(64, base + rip), 64);
  let before: { ip: bigint; text: string }[] = [];
  for (let back = 24n; back > 0n && before.length === 0; back--) {
    if (rip < back) continue;
    const bytes = vcpu.readLinear(BigInt.asUintN(64, base + rip - back), Number(back));
    if (bytes.length === Number(back)) before = decode(rip - back, bytes, rip, 12).slice(-4);
  }
  const width = bitness / 4;
  const lines = [...before, ...decode(rip, after, END, 6)].map(({ ip, text }) => `${ip === rip ? '->' : '  '} ${hex(ip, width)}  ${text}`);
  formatter.free();
  return after.length === 0 ? [...lines, `-> ${hex(rip, width)}  (not mapped to RAM)`] : lines;
}

const END = 1n << 65n;

/** The last exits, oldest first: instruction count, reason, rip, qualification. */
export function exitRingLines(vm: Vm, vcpu: Vcpu, count = 16): string[] {
  const words = new BigUint64Array(vm.memory.buffer, vcpu.base, 2048);
  const next = Number(vcpu.state.get('EXIT_RING_NEXT'));
  const lines: string[] = [];
  for (let n = Math.max(0, next - Math.min(count, RING)); n < next; n++) {
    const at = offsetOf('EXIT_RING', (n % RING) * 4) / 8;
    const [reason, rip, qualification, icount] = [words[at], words[at + 1], words[at + 2], words[at + 3]] as [
      bigint,
      bigint,
      bigint,
      bigint,
    ];
    lines.push(
      `${String(icount).padStart(14)}  ${exitReasonName(Number(reason)).padEnd(18)} rip ${hex(rip, 16)}  qualification ${hex(qualification, 1)}`,
    );
  }
  return lines;
}

/** The whole report, several lines. */
export async function deathReport(vm: Vm, vcpu: Vcpu, why: string): Promise<string> {
  let code: string[];
  try {
    code = await disassemblyLines(vcpu);
  } catch (error) {
    code = [`(no disassembly: ${(error as Error).message})`];
  }
  const exits = exitRingLines(vm, vcpu);
  return [
    `the guest died: ${why}`,
    `after ${vcpu.instructions} instructions, ${(vm.clock.now() / 1e9).toFixed(9)} s of its clock`,
    '',
    ...registerLines(vcpu),
    '',
    ...code,
    '',
    exits.length === 0 ? 'no exits' : 'last exits (instruction count, reason):',
    ...exits,
  ].join('\n');
}
