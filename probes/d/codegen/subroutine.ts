/**
 * Subroutines: calls of the runtime, and those that are a few instructions.
 *
 * @module
 */
import { I32, I64 } from '../../../vmm/wasm/asm.ts';
import { OP } from '../../../vmm/wasm/opcode.ts';
import type { Expression } from '../tree.ts';
import type { Code } from './code.ts';
import { value } from './expression.ts';
import { emitConstant, emitFit } from './representation.ts';
import { type RuntimeFunction, signatureOf } from './runtime.ts';

/** The greatest value of a signed 64-bit integer: an index or length that sets no bound. */
const UNBOUNDED = 0x7fff_ffff_ffff_ffffn;

interface Subroutine {
  readonly calls: RuntimeFunction;
  /** Values of trailing arguments that are left out. */
  readonly defaults?: readonly bigint[];
  /** It cannot fault. */
  readonly safe?: true;
}

/** Those that the runtime does. */
const CALLED: Readonly<Record<string, Subroutine>> = {
  strlen: { calls: 'strlen' },
  strjoin: { calls: 'strjoin' },
  substr: { calls: 'substr', defaults: [UNBOUNDED] },
  index: { calls: 'index', defaults: [0n] },
  rindex: { calls: 'rindex', defaults: [UNBOUNDED] },
  strstr: { calls: 'strstr' },
  strchr: { calls: 'strchr' },
  strrchr: { calls: 'strrchr' },
  strtok: { calls: 'strtok' },
  toupper: { calls: 'toupper' },
  tolower: { calls: 'tolower' },
  basename: { calls: 'basename' },
  dirname: { calls: 'dirname' },
  cleanpath: { calls: 'cleanpath' },
  lltostr: { calls: 'lltostr', defaults: [10n] },
  strtoll: { calls: 'strtoll', defaults: [10n] },
  inet_ntoa: { calls: 'inet_ntoa' },
  inet_ntoa6: { calls: 'inet_ntoa6' },
  inet_ntop: { calls: 'inet_ntop' },
  json: { calls: 'json' },
  rand: { calls: 'rand', safe: true },
  speculation: { calls: 'speculation', safe: true },
  alloca: { calls: 'alloca' },
  bcopy: { calls: 'bcopy' },
  copyin: { calls: 'copyin' },
  copyinstr: { calls: 'copyinstr', defaults: [UNBOUNDED] },
  copyinto: { calls: 'copyinto' },
  copyout: { calls: 'copyout' },
  copyoutstr: { calls: 'copyoutstr', defaults: [UNBOUNDED] },
};

/** Swaps the bytes of a value of `bytes`: the guest and D are little-endian, a network is not. */
function swap(code: Code, bytes: 2 | 4 | 8): void {
  const { asm } = code;
  code.withLocal(I64, (local) => {
    for (let i = 0; i < bytes; i++) {
      asm.get(local);
      if (i > 0) {
        asm.i64(8 * i);
        asm.op(OP.i64ShrU);
      }
      asm.i64(0xff, 0);
      asm.op(OP.i64And);
      const to = 8 * (bytes - 1 - i);
      if (to > 0) {
        asm.i64(to);
        asm.op(OP.i64Shl);
      }
      if (i > 0) asm.op(OP.i64Or);
    }
  });
}

/** Bits of a minor number in a 64-bit device number of illumos. */
const MINOR_BITS = 32;

/** Those that are code of their own; the first argument is on the stack. */
const INLINE: Readonly<Record<string, (code: Code) => void>> = {
  htons: (code) => swap(code, 2),
  ntohs: (code) => swap(code, 2),
  htonl: (code) => swap(code, 4),
  ntohl: (code) => swap(code, 4),
  htonll: (code) => swap(code, 8),
  ntohll: (code) => swap(code, 8),
  getmajor: ({ asm }) => {
    asm.i64(MINOR_BITS);
    asm.op(OP.i64ShrU);
  },
  getminor: ({ asm }) => {
    asm.i64(-1, 0);
    asm.op(OP.i64And);
  },
  /** Nothing here has children. */
  progenyof: (code) => {
    const { asm } = code;
    asm.op(OP.drop);
    asm.i64(0, 0);
  },
};

/** Calls a subroutine; true when it leaves a value (i64). */
export function subroutine(code: Code, e: Extract<Expression, { op: 'call' }>): boolean {
  const inline = INLINE[e.name];
  if (inline !== undefined) {
    value(code, e.arguments[0] as Expression);
    inline(code);
    emitFit(code.asm, e.type);
    return true;
  }
  const called = CALLED[e.name];
  if (called === undefined) throw new Error(`codegen: no subroutine ${e.name}`);
  code.needs.scratch = true;
  const { params, results } = signatureOf(called.calls);
  const defaults = called.defaults ?? [];
  params.forEach((type, i) => {
    const argument = e.arguments[i];
    if (argument !== undefined) value(code, argument);
    else emitConstant(code.asm, defaults[i - (params.length - defaults.length)] as bigint);
    if (type === I32) code.asm.op(OP.i32WrapI64);
  });
  if (called.safe) code.call(called.calls);
  else code.callChecked(called.calls);
  if (results.length === 0) return false;
  emitFit(code.asm, e.type);
  return true;
}

/** The names that `subroutine` knows. */
export const SUBROUTINE_NAMES: readonly string[] = [...Object.keys(CALLED), ...Object.keys(INLINE)];
