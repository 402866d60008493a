/**
 * Fields of a vCPU's state as bytes: taken out of the VM's memory and put back, each at its place in the layout.
 *
 * @module
 */
import { type Field, STATE_SIZE } from './layout.ts';

const WIDTH = { u8: 1, u16: 2, u32: 4, u64: 8 } as const;

function copyFields(from: Uint8Array, to: Uint8Array, fields: readonly Field[]): void {
  for (const f of fields) {
    for (let i = 0; i < f.count; i++) {
      const at = f.offset + i * f.stride;
      to.set(from.subarray(at, at + WIDTH[f.type]), at);
    }
  }
}

/** Copies fields of a vCPU out, each at its place in STATE_SIZE bytes. */
export function captureFields(memory: WebAssembly.Memory, base: number, fields: readonly Field[]): Uint8Array {
  const state = new Uint8Array(STATE_SIZE);
  copyFields(new Uint8Array(memory.buffer, base, STATE_SIZE), state, fields);
  return state;
}

export function restoreFields(memory: WebAssembly.Memory, base: number, fields: readonly Field[], state: Uint8Array): void {
  copyFields(state, new Uint8Array(memory.buffer, base, STATE_SIZE), fields);
}
