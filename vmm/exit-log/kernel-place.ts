/**
 * Where a kernel that moves itself (KASLR of Linux) is in a run, and how much higher than in another.
 *
 * What such a kernel gives the MSR of SYSCALL's entry (LSTAR, SDM vol. 3, 5.8.8) is an address of its own code, and the log has it: two of them tell the
 * move between two runs, and one with its symbol's address that from the file with the symbols. Without it the addresses with the most exits tell:
 * the move that brings most of them together. Linux moves its code by whole steps of 2 MiB and its modules, which lie apart, by whole pages
 * (Documentation/arch/x86/x86_64/mm.rst).
 *
 * @module
 */
import { EXIT_RECORD } from '../cpu/layout.ts';
import { EXIT_REASON } from '../exit-reason.ts';
import type { SymbolTable } from '../symbols.ts';
import { FLAG_VALUE } from './record.ts';

const LSTAR = 0xc000_0082;
/** Linux's name for what it writes there. */
const ENTRY = 'entry_SYSCALL_64';
const MODULES = 0xffff_ffff_c000_0000n;
const KERNEL_STEP = 0x20_0000n;
const MODULE_STEP = 0x1000n;
/** Of each side, the addresses with the most exits are enough to see a move. */
const LOOKED_AT = 64;

/** SYSCALL's entry when the exit whose record stands at `at` sets it. */
export function syscallEntry(view: DataView, at: number): bigint | undefined {
  if (view.getUint8(at + EXIT_RECORD.REASON) !== EXIT_REASON.MSR_WRITE) return undefined;
  if (view.getUint32(at + EXIT_RECORD.SUBJECT, true) !== LSTAR || !(view.getUint8(at + EXIT_RECORD.FLAGS) & FLAG_VALUE)) return undefined;
  return view.getBigUint64(at + EXIT_RECORD.VALUE, true);
}

/** How much higher a kernel is whose SYSCALL's entry was set to `entry` than the symbols say; 0n when that cannot be told. */
export function offsetFromSymbols(symbols: SymbolTable, entry: bigint | undefined): bigint {
  const linked = symbols.address(ENTRY);
  if (entry === undefined || linked === undefined || (entry - linked) % KERNEL_STEP !== 0n) return 0n;
  return entry - linked;
}

/** How much higher code of the second run is. */
export interface CodeMoves {
  readonly kernel: bigint;
  readonly modules: bigint;
  /** Of the lower half: where the kernel begins, before it has mapped itself. */
  readonly low: bigint;
  /** Addresses of the lower half that both runs have, such as those of programs. */
  readonly stay: ReadonlySet<bigint>;
}

export const UNMOVED: CodeMoves = { kernel: 0n, modules: 0n, low: 0n, stay: new Set() };

/** From SYSCALL's entries, and from addresses that exit, those with the most exits first. */
export function codeMoves(
  before: { readonly entry: bigint | undefined; readonly addresses: readonly bigint[] },
  after: { readonly entry: bigint | undefined; readonly addresses: readonly bigint[] },
): CodeMoves {
  const told = before.entry !== undefined && after.entry !== undefined ? after.entry - before.entry : undefined;
  const isKernel = (address: bigint): boolean => address >> 63n === 1n && !isModule(address);
  const [a, b] = [before.addresses, after.addresses];
  const isLow = (address: bigint): boolean => address >> 63n === 0n;
  const there = new Set(b);
  const stay = new Set(a.filter((address) => isLow(address) && there.has(address)));
  const gone = (list: readonly bigint[]): bigint[] => list.filter((address) => isLow(address) && !stay.has(address));
  return {
    stay,
    low: move(gone(a), gone(b), KERNEL_STEP),
    kernel: told !== undefined && told % KERNEL_STEP === 0n ? told : move(a.filter(isKernel), b.filter(isKernel), KERNEL_STEP),
    modules: move(a.filter(isModule), b.filter(isModule), MODULE_STEP),
  };
}

function isModule(address: bigint): boolean {
  return address >= MODULES;
}

/** Where an address of the second run is in the first. */
export function unmoved(address: bigint, { kernel, modules, low, stay }: CodeMoves): bigint {
  if (address >> 63n === 0n) return stay.has(address) ? address : BigInt.asUintN(64, address - low);
  return BigInt.asUintN(64, address - (isModule(address) ? modules : kernel));
}

/** The move that brings most addresses together; 0n when none does better than staying. */
function move(before: readonly bigint[], after: readonly bigint[], step: bigint): bigint {
  const votes = new Map<bigint, number>();
  for (const a of before.slice(0, LOOKED_AT)) {
    for (const b of after.slice(0, LOOKED_AT)) if ((b - a) % step === 0n) votes.set(b - a, (votes.get(b - a) ?? 0) + 1);
  }
  let best = 0n;
  for (const [by, count] of votes) if (count > (votes.get(best) ?? 0)) best = by;
  return best;
}

/** Names for addresses of a kernel that is `offset` higher than its symbols say; its modules have names only where nothing moved. */
export function namesOf(symbols: SymbolTable | undefined, offset: bigint): (address: bigint) => string {
  return (address) => {
    const inFile = address >> 63n === 1n ? BigInt.asUintN(64, address - offset) : address;
    const known = offset === 0n || !isModule(address);
    return (known ? symbols?.name(inFile) : undefined) ?? `0x${address.toString(16)}`;
  };
}
