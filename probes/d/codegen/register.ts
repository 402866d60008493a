/**
 * `vmregs[]` and `uregs[]`: guest registers of the vCPU that fires.
 *
 * With a constant index, which is nearly always, one load after a look whether there is a VM at all; what is computed, or chosen at run time, is the
 * runtime's.
 *
 * @module
 */
import { I64 } from '../../../vmm/wasm/asm.ts';
import { OP } from '../../../vmm/wasm/opcode.ts';
import { FIELDS } from '../../../vmm/cpu/layout.ts';
import { ARENA, FAULT } from '../../arena.ts';
import { UREGS, VMCS_FIELDS } from '../../vmcs.ts';
import type { Expression } from '../tree.ts';
import { type Code, PARAMETER } from './code.ts';
import { value } from './expression.ts';
import { type ScalarBytes, emitLoad } from './representation.ts';

interface Stored {
  readonly bytes: ScalarBytes;
  readonly offset: number;
}

const BYTES = { u8: 1, u16: 2, u32: 4, u64: 8 } as const;

/** Registers that stand in the vCPU's state, by their index. */
const STORED: Readonly<Record<'vmregs' | 'uregs', ReadonlyMap<bigint, Stored>>> = (() => {
  const fields = new Map(FIELDS.map((field) => [field.name, field]));
  const all = [
    ...VMCS_FIELDS.map(({ encoding, place }) => ({ set: 'vmregs' as const, index: encoding, place })),
    ...UREGS.map(({ index, place }) => ({ set: 'uregs' as const, index, place })),
  ];
  const maps = { vmregs: new Map<bigint, Stored>(), uregs: new Map<bigint, Stored>() };
  for (const { set, index, place } of all) {
    if (place === undefined || !('field' in place)) continue;
    const field = fields.get(place.field);
    if (field === undefined) throw new Error(`codegen: the state has no field ${place.field}`);
    maps[set].set(BigInt(index), { bytes: BYTES[field.type], offset: field.offset + (place.index ?? 0) * field.stride });
  }
  return maps;
})();

/** Pushes the register's value. */
export function register(code: Code, set: 'vmregs' | 'uregs', index: Expression): void {
  const { asm } = code;
  const stored = index.op === 'integer' ? STORED[set].get(index.value) : undefined;
  if (stored === undefined) {
    value(code, index);
    code.callChecked(set === 'vmregs' ? 'vmreg' : 'ureg');
    return;
  }
  asm.globalGet(code.module.arena);
  asm.mem(OP.i32Load, ARENA.CONTEXT);
  asm.hint(true);
  asm.if_(I64);
  asm.get(PARAMETER.CPU);
  emitLoad(asm, stored.bytes, false, stored.offset);
  asm.else_();
  code.raise(FAULT.ILLOP);
  asm.end();
}
