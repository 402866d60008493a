/**
 * Where a program's variables stand, as offsets from the start of the arena's globals (compiled code imports that place as `env.variables`).
 *
 * Scalars, structures and arrays have a place each; a string has a word before its text that tells whether it is NULL. A `self` variable has one place for
 * each vCPU, because a vCPU is what a thread is to the providers here; so it never runs out of memory. Associative arrays live in the runtime's
 * dynamic memory, and a `self` one has the vCPU's number as its first key.
 *
 * After the variables comes room that clauses use one after the other: for a record in the making, and for a key in the making.
 *
 * @module
 */
import { MEMORY_MAP } from '../../../vmm/cpu/layout.ts';
import type { Variable } from '../tree.ts';
import type { Type } from '../types.ts';
import { type Representation, align, alignment, representation } from './representation.ts';

/** vCPUs that a VM can have. */
export const VCPUS = (MEMORY_MAP.PAGE_FLAGS - MEMORY_MAP.VCPU_BASE) / MEMORY_MAP.VCPU_STRIDE;

/** A string variable's first word when NULL or a text was assigned. One that nothing was assigned to (0) is NULL if it is a `self` variable, else empty. */
export const TEXT_STATE = { NULL: 0xff, SET: 1 } as const;
/** Bytes before the text of a string variable. */
export const TEXT_HEAD = 8;

export function align8(bytes: number): number {
  return align(bytes, 8);
}

/** A part of a key: at a multiple of 8, filled up to one. */
export interface KeyPart {
  readonly type: Type;
  readonly rep: Representation;
  readonly offset: number;
}

export interface KeyLayout {
  readonly parts: readonly KeyPart[];
  readonly bytes: number;
}

/** The layout of a key; `from`: bytes that come before. */
export function layOutKey(types: readonly Type[], stringBytes: number, from = 0): KeyLayout {
  let offset = from;
  const parts = types.map((type) => {
    const rep = representation(type, stringBytes);
    const part = { type, rep, offset };
    offset += align(rep.bytes, 8);
    return part;
  });
  return { parts, bytes: offset };
}

export type VariablePlace =
  /** `perCpu`: bytes from one vCPU's to the next. */
  | { readonly kind: 'fixed'; readonly rep: Representation; readonly offset: number; readonly perCpu: number }
  | { readonly kind: 'keyed'; readonly rep: Representation; readonly id: number; readonly key: KeyLayout; readonly perCpu: boolean };

/** Bytes that a fixed variable takes. */
function roomFor(rep: Representation): number {
  return rep.kind === 'text' ? TEXT_HEAD + align(rep.bytes, 8) : rep.bytes;
}

export class VariableLayout {
  readonly stringBytes: number;
  readonly #places = new Map<Variable, VariablePlace>();
  #next = 0;
  #ids = 0;
  /** Bytes of key and value of the largest dynamic variable. */
  chunkBytes = 8;
  /** Bytes of globals and `self` variables. */
  readonly globalsBytes: number;
  /** Where the clause-local variables end. */
  readonly localsEnd: number;
  /** Room for a record. */
  readonly recordOffset: number;
  /** Room for a key, from here on; `keyBytes` of it are used. */
  readonly keyOffset: number;
  keyBytes = 0;

  constructor(
    globals: readonly Variable[],
    selfs: readonly Variable[],
    locals: readonly Variable[],
    stringBytes: number,
    recordBytes: number,
  ) {
    this.stringBytes = stringBytes;
    for (const variable of [...globals, ...selfs]) this.#add(variable);
    this.globalsBytes = align(this.#next, 8);
    this.#next = this.globalsBytes;
    for (const variable of locals) this.#add(variable);
    this.localsEnd = align(this.#next, 8);
    this.recordOffset = this.localsEnd;
    this.keyOffset = this.recordOffset + align(recordBytes, 8);
  }

  /** Bytes of everything after the globals. */
  get localsBytes(): number {
    return this.keyOffset + this.keyBytes - this.globalsBytes;
  }

  placeOf(variable: Variable): VariablePlace {
    const place = this.#places.get(variable);
    if (place === undefined) throw new Error(`codegen: the variable ${variable.name} is not one of the program's`);
    return place;
  }

  /** Makes sure that the room for a key is large enough. */
  needKey(bytes: number): void {
    this.keyBytes = Math.max(this.keyBytes, bytes);
  }

  #add(variable: Variable): void {
    const rep = representation(variable.type, this.stringBytes);
    const perCpu = variable.scope === 'self';
    if (variable.keys !== undefined) {
      const key = layOutKey(variable.keys, this.stringBytes, perCpu ? 8 : 0);
      this.#places.set(variable, { kind: 'keyed', rep, id: this.#ids++, key, perCpu });
      this.chunkBytes = Math.max(this.chunkBytes, key.bytes + align(rep.bytes, 8));
      this.needKey(key.bytes);
      return;
    }
    const step = align(roomFor(rep), 8);
    const offset = align(this.#next, perCpu ? 8 : alignment(rep));
    this.#next = offset + (perCpu ? VCPUS * step : roomFor(rep));
    this.#places.set(variable, { kind: 'fixed', rep, offset, perCpu: perCpu ? step : 0 });
  }
}
