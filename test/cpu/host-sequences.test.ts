/**
 * The generator of host.test.ts itself: in code of several instructions, registers that hold addresses and counts keep what they hold.
 *
 * iced-x86 says which registers each generated instruction writes, in whatever way. It needs no host: a generator that is wrong shows here, not
 * as a case that writes where it must not, or loops for ever, on some processor.
 */
import { Decoder, DecoderOptions, type Instruction, InstructionInfoFactory, Mnemonic, OpAccess, Register, RegisterExt } from 'iced-x86';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { RSP, Writer } from './host-code.ts';
import { disassemble } from './host-compare.ts';
import { type Group, GROUPS } from './host-groups.ts';
import { IN, type Mode, shape } from './host-layout.ts';
import { Random } from './host-random.ts';

const SEED = 20_260_101;
const CASES = 600;

const WRITES: readonly OpAccess[] = [OpAccess.Write, OpAccess.CondWrite, OpAccess.ReadWrite, OpAccess.ReadCondWrite];

/** Numbers of the general registers that an instruction may write. */
function written(factory: InstructionInfoFactory, instruction: Instruction): number[] {
  const info = factory.info(instruction);
  const numbers: number[] = [];
  for (const used of info.usedRegisters()) {
    const whole = RegisterExt.fullRegister(used.register);
    if (WRITES.includes(used.access) && whole >= Register.RAX && whole <= Register.R15) numbers.push(whole - Register.RAX);
    used.free();
  }
  info.free();
  return numbers;
}

/** Numbers of the general registers in a memory operand. */
function addressing(instruction: Instruction): number[] {
  return [instruction.memoryBase, instruction.memoryIndex]
    .map((register) => RegisterExt.fullRegister(register))
    .filter((whole) => whole >= Register.RAX && whole <= Register.R15)
    .map((whole) => whole - Register.RAX);
}

interface Step {
  readonly writes: readonly number[];
  readonly addressing: readonly number[];
  readonly mnemonic: Mnemonic;
  /** A conditional jump to before itself. */
  readonly back: boolean;
}

function steps(factory: InstructionInfoFactory, code: Uint8Array, mode: Mode, rip: bigint): Step[] {
  const decoder = new Decoder(mode.bits, code, DecoderOptions.None);
  decoder.ip = rip;
  const found: Step[] = [];
  while (decoder.canDecode) {
    const i = decoder.decode();
    const back = i.isJccShortOrNear && i.nearBranchTarget < i.ip;
    found.push({ writes: written(factory, i), addressing: addressing(i), mnemonic: i.mnemonic, back });
    i.free();
  }
  decoder.free();
  return found;
}

/** What a case changes that it must keep, or uses that it may change, in words; '' when there is nothing. */
function broken(list: readonly Step[], fixed: ReadonlySet<number>): string {
  for (const [n, step] of list.entries()) {
    const loose = step.addressing.find((register) => !fixed.has(register));
    if (loose !== undefined) return `the operand of instruction ${n} is found by register ${loose}`;
    for (const register of step.writes) {
      if (!fixed.has(register)) continue;
      const stack = register === RSP && (step.mnemonic === Mnemonic.Push || step.mnemonic === Mnemonic.Pop);
      // The loop's own count.
      const count = step.mnemonic === Mnemonic.Loop || list[n + 1]?.back === true;
      if (!stack && !count) return `instruction ${n} writes register ${register}`;
    }
  }
  return '';
}

function check(group: Group, mode: Mode, seed: number): number {
  const s = shape(mode, group.windows, group.codeRoom);
  const w = new Writer(s, CASES, new Random(seed));
  const factory = new InstructionInfoFactory();
  let instructions = 0;
  for (let n = 0; n < CASES; n++) {
    group.write(w, n);
    const at = n * s.inputSize;
    // All that was written, with what a missing page cuts off.
    const code = w.inputs.subarray(at + IN.CODE, at + IN.CODE + w.length);
    const rip = new DataView(w.inputs.buffer, at).getBigUint64(IN.RIP, true);
    const list = steps(factory, code, mode, rip);
    instructions += list.length;
    const wrong = broken(list, w.fixed);
    assert.is(wrong, '', `seed ${seed}, case ${n}: ${wrong}: ${disassemble(code, mode.bits, rip)}`);
  }
  factory.free();
  return instructions;
}

for (const group of GROUPS.filter((g) => g.sequences)) {
  test(`${group.name}: no instruction changes a register that holds an address or a count`, () => {
    for (const [i, mode] of group.modes.entries()) assert.ok(check(group, mode, SEED + i) >= 2 * CASES, mode.name);
  });
}

test.run();
