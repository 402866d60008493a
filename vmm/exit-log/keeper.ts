/**
 * Keeps the exit log of a running VM, in its thread: gives the core room for records, and hands on what stands there.
 *
 * The core begins a record at each exit and completes the last one as the exit's handler goes on (`vmm/cpu/core/exit-log.ts`), so the last one
 * stays until the next, or the end. However long the run, the room is the same.
 *
 * @module
 */
import { EXIT_RECORD, MEMORY_MAP, VM_AREA } from '../cpu/layout.ts';
import type { Vm } from '../vm.ts';

const word = (field: number): number => (MEMORY_MAP.VM_BASE + field) >>> 2;
const AT = word(VM_AREA.EXIT_LOG_AT);
const END = word(VM_AREA.EXIT_LOG_END);
const LAST = word(VM_AREA.EXIT_LOG_LAST);
const CHAIN = word(VM_AREA.EXIT_LOG_CHAIN);

export class ExitLogKeeper {
  readonly #vm: Vm;
  readonly #bytes: Uint8Array;
  readonly #take: (records: Uint8Array) => void;

  /**
   * Begins. `take` gets records, whole and in order, each exit's with its call chain; their bytes are its own only until it returns. `frames`: 0, or 1
   * to note the instruction with each exit, or up to 13 to note so many less one return addresses too.
   */
  constructor(vm: Vm, take: (records: Uint8Array) => void, frames = 0) {
    this.#vm = vm;
    this.#bytes = new Uint8Array(vm.memory.buffer);
    this.#take = take;
    vm.u32[AT] = MEMORY_MAP.EXIT_LOG;
    vm.u32[END] = MEMORY_MAP.EXIT_LOG_LIMIT;
    vm.u32[LAST] = 0;
    vm.u32[CHAIN] = Math.min(frames, EXIT_RECORD.CHAIN_MAX + 1);
    vm.onExitLogFull = () => this.drain();
  }

  /** Hands on all records but the last exit's. */
  drain(): void {
    const { u32 } = this.#vm;
    const end = u32[AT] as number;
    const last = u32[LAST] as number;
    if (last <= MEMORY_MAP.EXIT_LOG) return;
    this.#take(this.#bytes.subarray(MEMORY_MAP.EXIT_LOG, last));
    // `take` may have ended the log.
    if (u32[AT] === 0) return;
    this.#bytes.copyWithin(MEMORY_MAP.EXIT_LOG, last, end);
    u32[LAST] = MEMORY_MAP.EXIT_LOG;
    u32[AT] = MEMORY_MAP.EXIT_LOG + end - last;
  }

  /** Hands on the rest and ends. */
  end(): void {
    const end = this.#vm.u32[AT] as number;
    if (end === 0) return;
    this.stop();
    if (end > MEMORY_MAP.EXIT_LOG) this.#take(this.#bytes.subarray(MEMORY_MAP.EXIT_LOG, end));
  }

  /** Ends without what is left. */
  stop(): void {
    this.#vm.u32[AT] = 0;
    this.#vm.u32[LAST] = 0;
    this.#vm.onExitLogFull = undefined;
  }
}
