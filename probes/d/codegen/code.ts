/**
 * The code of one clause in the making: the function's body, its locals, where it goes on a fault, and the place that a fault is reported at.
 *
 * A clause's function returns 0, or the site of the fault that ended it. Sites are those of the original: the action's number (0 = the predicate), and the
 * number of the instruction in what is evaluated, times 4. Instructions are counted as D's virtual machine would have them: one for a
 * constant, a variable, a load, an operation.
 *
 * @module
 */
import { type Asm, I32, I64, type Label, type ValueType } from '../../../vmm/wasm/asm.ts';
import { OP } from '../../../vmm/wasm/opcode.ts';
import { MEMORY_MAP } from '../../../vmm/cpu/layout.ts';
import { D_BASE_HIGH } from '../../arena.ts';
import type { Binding, Probe, Variable } from '../tree.ts';
import type { ProgramModule } from './module.ts';
import type { RuntimeFunction } from './runtime.ts';

/** Marks a site, so that it is never 0. */
const SITE = 0x8000_0000;
const ACTION_MAX = 0x7fff;
const OFFSET_MAX = 0xfffc;
/** log2 of MEMORY_MAP.VCPU_STRIDE. */
const VCPU_SHIFT = Math.log2(MEMORY_MAP.VCPU_STRIDE);

/** Parameters of a clause's function. */
export const PARAMETER = { CPU: 0, EPID: 1, PROBE: 2 } as const;

/** What a clause needs of its dispatcher. */
export interface ClauseNeeds {
  /** It uses scratch memory, or strtok. */
  scratch: boolean;
  /** It may end the program. */
  exits: boolean;
  readonly locals: Set<Variable>;
}

export class Code {
  readonly module: ProgramModule;
  readonly asm: Asm;
  /** The probes of the clause. */
  readonly probes: readonly Probe[];
  readonly needs: ClauseNeeds = { scratch: false, exits: false, locals: new Set() };
  readonly bindings = new Map<Binding, number>();
  readonly #leave: Label;
  #action = 0;
  #step = 0;

  constructor(module: ProgramModule, asm: Asm, probes: readonly Probe[]) {
    this.module = module;
    this.asm = asm;
    this.probes = probes;
    this.#leave = asm.block(I32);
  }

  /** Ends the body: what is not left early returns 0. */
  finish(): void {
    this.asm.i32(0);
    this.asm.end();
  }

  /** The next action: what is evaluated from here on. */
  nextAction(): void {
    this.#action++;
    this.#step = 0;
  }

  /** One instruction of D's machine is complete. */
  step(): void {
    this.#step++;
  }

  get #site(): number {
    const offset = Math.min(this.#step * 4, OFFSET_MAX);
    return (SITE | (Math.min(this.#action, ACTION_MAX) << 16) | offset) >>> 0;
  }

  /** Leaves the clause if the call before raised a fault. */
  check(): void {
    const { asm } = this;
    asm.i32(this.#site);
    asm.globalGet(this.module.fault);
    asm.hint(false);
    asm.brIf(this.#leave);
    asm.op(OP.drop);
  }

  /** Leaves the clause without a fault: what it has recorded is forgotten. */
  leave(): void {
    this.asm.i32(0);
    this.asm.br(this.#leave);
  }

  /** Leaves the clause without a fault when the i32 on the stack is 0. */
  leaveIfZero(likely = true): void {
    const { asm } = this;
    asm.op(OP.i32Eqz);
    asm.hint(!likely);
    asm.if_();
    this.leave();
    asm.end();
  }

  /** Raises a fault with address 0 and leaves. */
  raise(kind: number): void {
    const { asm } = this;
    asm.i32(kind);
    asm.i64(0, 0);
    this.call('raise');
    asm.i32(this.#site);
    asm.br(this.#leave);
  }

  /** Calls the runtime; a fault is not looked for. */
  call(name: RuntimeFunction): void {
    this.asm.call(this.module.runtime(name));
  }

  /** Calls a function of the runtime that may fault, and leaves when it did. */
  callChecked(name: RuntimeFunction): void {
    this.call(name);
    this.check();
  }

  /** The vCPU's number. */
  cpuIndex(): void {
    const { asm } = this;
    asm.get(PARAMETER.CPU);
    asm.i32(MEMORY_MAP.VCPU_BASE);
    asm.op(OP.i32Sub);
    asm.i32(VCPU_SHIFT);
    asm.op(OP.i32ShrU);
  }

  /** The place (i32) on the stack becomes an address of D's (i64). */
  toAddress(): void {
    const { asm } = this;
    asm.op(OP.i64ExtendI32U);
    asm.i64(0, D_BASE_HIGH);
    asm.op(OP.i64Or);
  }

  /** D address of something `offset` bytes into the arena. */
  arenaAddress(offset: number): void {
    const { asm } = this;
    asm.globalGet(this.module.arena);
    asm.i32(offset);
    asm.op(OP.i32Add);
    this.toAddress();
  }

  /** Runs `body` with the value on the stack in a local. */
  withLocal(type: ValueType, body: (local: number) => void): void {
    const local = this.asm.local(type);
    this.asm.set(local);
    body(local);
    this.asm.release(local);
  }

  /** Puts the i64 on the stack into a local that the caller releases. */
  keep(type: ValueType = I64): number {
    const local = this.asm.local(type);
    this.asm.set(local);
    return local;
  }
}
