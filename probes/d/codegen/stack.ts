/**
 * Values that have no C type: stacks and symbols, as data of records and parts of keys.
 *
 * A stack is a row of program counters that ends at the first 0; a user stack and a user symbol have the process before them.
 *
 * @module
 */
import { OP } from '../../../vmm/wasm/opcode.ts';
import { ARENA } from '../../arena.ts';
import type { Expression } from '../tree.ts';
import { resolve } from '../types.ts';
import type { Code } from './code.ts';
import { value } from './expression.ts';

const WORD = 8;

/** Stores the process that user addresses belong to. */
export function storePid(code: Code, pushBase: () => void, offset: number): void {
  const { asm } = code;
  pushBase();
  asm.globalGet(code.module.arena);
  asm.mem(OP.i64Load32U, ARENA.PID);
  asm.mem(OP.i64Store, offset);
}

/** Fills `bytes` at a place with frames of the guest's kernel or user stack. `pushBase` pushes the place (i32) that `offset` is added to. */
export function frames(code: Code, user: boolean, bytes: number, pushBase: () => void, offset: number): void {
  const { asm } = code;
  const head = user ? WORD : 0;
  if (user) storePid(code, pushBase, offset);
  pushBase();
  asm.i32(offset + head);
  asm.op(OP.i32Add);
  asm.i32((bytes - head) / WORD);
  asm.i32(user ? 1 : 0);
  code.call('stack');
  code.step();
}

/** True for stacks and symbols of user space. */
export function isUser(what: string): boolean {
  return what.startsWith('u');
}

/** Writes stack(), ustack(), sym() and their kin to a place. */
export function stackInto(
  code: Code,
  e: Extract<Expression, { op: 'dynamic' }>,
  bytes: number,
  pushBase: () => void,
  offset: number,
): void {
  const type = resolve(e.type);
  const what = type.kind === 'dynamic' ? type.what : 'bytes';
  if (e.address === undefined) {
    frames(code, isUser(what), bytes, pushBase, offset);
    return;
  }
  symbol(code, e.address, isUser(what), pushBase, offset);
}

/** Writes an address, after the process when it is one of user space. */
export function symbol(code: Code, address: Expression, user: boolean, pushBase: () => void, offset: number): void {
  if (user) storePid(code, pushBase, offset);
  pushBase();
  value(code, address);
  code.asm.mem(OP.i64Store, offset + (user ? WORD : 0));
}
