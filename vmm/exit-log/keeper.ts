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

const AT = (MEMORY_MAP.VM_BASE + VM_AREA.EXIT_LOG_AT) >>> 2;
const END = (MEMORY_MAP.VM_BASE + VM_AREA.EXIT_LOG_END) >>> 2;

export class ExitLogKeeper {
  readonly #vm: Vm;
  readonly #bytes: Uint8Array;
  readonly #take: (records: Uint8Array) => void;

  /** Begins. `take` gets records, whole and in order; their bytes are its own only until it returns. */
  constructor(vm: Vm, take: (records: Uint8Array) => void) {
    this.#vm = vm;
    this.#bytes = new Uint8Array(vm.memory.buffer);
    this.#take = take;
    vm.u32[AT] = MEMORY_MAP.EXIT_LOG;
    vm.u32[END] = MEMORY_MAP.EXIT_LOG_LIMIT;
    vm.onExitLogFull = () => this.drain();
  }

  /** Hands on all records but the last. */
  drain(): void {
    const end = this.#vm.u32[AT] as number;
    const last = end - EXIT_RECORD.BYTES;
    if (last <= MEMORY_MAP.EXIT_LOG) return;
    this.#take(this.#bytes.subarray(MEMORY_MAP.EXIT_LOG, last));
    // `take` may have ended the log.
    if (this.#vm.u32[AT] === 0) return;
    this.#bytes.copyWithin(MEMORY_MAP.EXIT_LOG, last, end);
    this.#vm.u32[AT] = MEMORY_MAP.EXIT_LOG + EXIT_RECORD.BYTES;
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
    this.#vm.onExitLogFull = undefined;
  }
}
