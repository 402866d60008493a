/**
 * Answers questions about a guest that stands, in the VM's thread. What cannot be answered is refused with one line.
 *
 * @module
 */
import type { ExtensionHost } from '../extension.ts';
import { filesOf, sameFile } from '../run-files.ts';
import { saveMachine } from '../saved-machine.ts';
import { systemErrorText } from '../system-error.ts';
import type { Question } from './messages.ts';

export type Answer = { readonly value: unknown } | { readonly refused: string };

type Of<K extends Question['kind']> = Extract<Question, { kind: K }>;

export function answerTo(question: Question, host: ExtensionHost): Answer {
  switch (question.kind) {
    case 'registers':
      return registers(question, host);
    case 'memory':
      return memory(question, host);
    case 'snapshot':
      return snapshot(question, host);
    case 'press':
      return { value: question.button === 'power' ? host.buttons.power() : host.buttons.reset() };
    case 'taken':
      return { value: undefined };
  }
}

function registers({ vcpu }: Of<'registers'>, { vm }: ExtensionHost): Answer {
  const found = vm.vcpus[vcpu];
  if (found === undefined) return { refused: noVcpu(vcpu, vm.vcpus.length) };
  return { value: { ...found.getRegs(), ...found.getSregs() } };
}

function noVcpu(vcpu: number, count: number): string {
  return `there is no vCPU ${vcpu}; the guest has ${count === 1 ? 'one, number 0' : `${count}, from 0 to ${count - 1}`}`;
}

const hex = (address: bigint): string => `0x${address.toString(16)}`;

function memory({ address, length, linearOf }: Of<'memory'>, { vm }: ExtensionHost): Answer {
  if (linearOf === undefined) {
    const bytes = new Uint8Array(length);
    const inRam = address < 2n ** 52n && vm.ram.read(Number(address), bytes);
    return inRam ? { value: bytes } : { refused: `${length} bytes at guest physical ${hex(address)} are not all RAM` };
  }
  const vcpu = vm.vcpus[linearOf];
  if (vcpu === undefined) return { refused: noVcpu(linearOf, vm.vcpus.length) };
  const bytes = vcpu.readLinear(address, length);
  if (bytes.length === length) return { value: bytes };
  return { refused: `linear ${hex(BigInt.asUintN(64, address + BigInt(bytes.length)))} is not mapped to RAM` };
}

function snapshot({ path }: Of<'snapshot'>, { vm, options }: ExtensionHost): Answer {
  const taken = filesOf(options).find((file) => file.option !== '--restore' && sameFile(file.path, path));
  if (taken !== undefined) return { refused: `${path}: would overwrite ${taken.option} of this guest; give another file` };
  try {
    return { value: saveMachine(path, vm, options) };
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code === undefined ? (error as Error).message : systemErrorText(error);
    return { refused: `${path}: ${reason}` };
  }
}
