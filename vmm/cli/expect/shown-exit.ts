/**
 * An exit as a report shows it: when, where, by which instruction, how the guest came there.
 *
 * iced-x86 disassembles; it is loaded when there is something to show.
 *
 * @module
 */
import { causeName, causeOf } from '../../exit-log/cause.ts';
import { callChain, codeAt, codeBits } from '../../exit-log/describe.ts';
import { EXIT_RECORD } from '../../cpu/layout.ts';
import type { SymbolTable } from '../../symbols.ts';

/** An exit as it is in the log. */
export interface KeptExit {
  readonly timeNs: number;
  readonly vcpu: number;
  readonly rip: bigint;
  readonly cause: string;
  readonly code: Uint8Array;
  readonly bits: 16 | 32 | 64;
  readonly stack: readonly bigint[];
  readonly phase: number;
}

export interface ShownExit {
  /** ns of the VM's clock. */
  readonly time: number;
  readonly vcpu: number;
  readonly cause: string;
  readonly rip: string;
  readonly symbol?: string;
  readonly instruction?: string;
  /** Return addresses with their names, the innermost first. */
  readonly stack: readonly string[];
  /** The mark after which it happened. */
  readonly after: string;
}

export function keepExit(view: DataView, at: number, chain: number, phase: number): KeptExit {
  return {
    timeNs: Number(view.getBigUint64(at + EXIT_RECORD.TIME, true)),
    vcpu: view.getUint8(at + EXIT_RECORD.VCPU),
    rip: view.getBigUint64(at + EXIT_RECORD.RIP, true),
    cause: causeName(causeOf(view, at)),
    code: codeAt(view, at, chain).slice(),
    bits: codeBits(view, at),
    stack: callChain(view, at, chain),
    phase,
  };
}

/** Names and disassembles. `phases`: the name of the mark that begins each. */
export async function showExits(
  exits: readonly KeptExit[],
  phases: readonly string[],
  symbols: SymbolTable | undefined,
): Promise<ShownExit[]> {
  if (exits.length === 0) return [];
  const { Decoder, DecoderOptions, Formatter, FormatterSyntax } = (await import('iced-x86')).default;
  const formatter = new Formatter(FormatterSyntax.Nasm);
  const disassembled = ({ code, bits, rip }: KeptExit): string => {
    const decoder = new Decoder(bits, code, DecoderOptions.None);
    decoder.ip = rip;
    const instruction = decoder.decode();
    const text = instruction.isInvalid ? '(bad)' : formatter.format(instruction);
    instruction.free();
    decoder.free();
    return text;
  };
  const hex = (address: bigint): string => `0x${address.toString(16)}`;
  const named = (address: bigint): string => {
    const name = symbols?.name(address);
    return name === undefined ? hex(address) : `${hex(address)} ${name}`;
  };
  const shown = exits.map((exit) => {
    const symbol = symbols?.name(exit.rip);
    return {
      time: exit.timeNs,
      vcpu: exit.vcpu,
      cause: exit.cause,
      rip: hex(exit.rip),
      ...(symbol === undefined ? undefined : { symbol }),
      ...(exit.code.length === 0 ? undefined : { instruction: disassembled(exit) }),
      stack: exit.stack.map(named),
      after: phases[exit.phase] ?? '',
    };
  });
  formatter.free();
  return shown;
}
