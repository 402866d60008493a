/**
 * Keeps the exit log of a running VM, in its thread: gives the core room for records, and hands on what stands there.
 *
 * The core begins a record at each exit and completes the last one as the exit's handler goes on (`vmm/cpu/core/exit-log.ts`), so the last one
 * stays until the next, or the end. However long the run, the room is the same. What the guest writes to a virtio console is put behind the exit during which
 * it comes, and a watched address that is reached has a record too (`record.ts`).
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

/** What is kept beside the exits. */
export interface KeeperOptions {
  /** 0, or 1 to note the instruction with each exit, or up to 13 to note so many less one return addresses too. Default: 0. */
  readonly frames?: number;
  /** Linear addresses to watch, at most WATCH_MAX. Default: none. */
  readonly watch?: readonly bigint[];
}

export class ExitLogKeeper {
  readonly #vm: Vm;
  readonly #bytes: Uint8Array;
  readonly #take: (records: Uint8Array) => void;
  readonly #watches: boolean;
  /** The last record is text and takes more. */
  #open = false;

  /**
   * Begins, between two instructions. `take` gets records, whole and in order, each exit's with its call chain; their bytes are its own only until it
   * returns.
   */
  constructor(vm: Vm, take: (records: Uint8Array) => void, { frames = 0, watch = [] }: KeeperOptions = {}) {
    this.#vm = vm;
    this.#bytes = new Uint8Array(vm.memory.buffer);
    this.#take = take;
    vm.u32[AT] = MEMORY_MAP.EXIT_LOG;
    vm.u32[END] = MEMORY_MAP.EXIT_LOG_LIMIT;
    vm.u32[LAST] = 0;
    vm.u32[CHAIN] = Math.min(frames, EXIT_RECORD.CHAIN_MAX + 1);
    vm.onExitLogFull = () => this.drain();
    vm.onConsoleByte = (byte) => this.#text(byte);
    this.#watches = watch.length > 0;
    if (this.#watches) vm.watch(watch);
  }

  /** A byte goes into the record of text at the end, or begins one. */
  #text(byte: number): void {
    const { u32 } = this.#vm;
    const bytes = this.#bytes;
    let at = u32[AT] as number;
    const open = at - EXIT_RECORD.BYTES;
    const count = bytes[open + EXIT_RECORD.TEXT_COUNT] as number;
    if (this.#open && bytes[open + EXIT_RECORD.REASON] === EXIT_RECORD.TEXT_REASON && count < EXIT_RECORD.TEXT_EACH) {
      bytes[open + count] = byte;
      bytes[open + EXIT_RECORD.TEXT_COUNT] = count + 1;
      return;
    }
    if (at + EXIT_RECORD.BYTES > (u32[END] as number)) {
      this.drain();
      // One exit said more than there is room for: then it is handed on as it is, without what is still to be known of it.
      if (u32[AT] === at) this.#handOn(at);
      at = u32[AT] as number;
      if (at === 0) return;
    }
    bytes.fill(0, at, at + EXIT_RECORD.BYTES);
    bytes[at] = byte;
    bytes[at + EXIT_RECORD.TEXT_COUNT] = 1;
    bytes[at + EXIT_RECORD.REASON] = EXIT_RECORD.TEXT_REASON;
    u32[AT] = at + EXIT_RECORD.BYTES;
    this.#open = true;
  }

  /** What was said so far is looked at now: what comes later has a record of its own. */
  seal(): void {
    this.#open = false;
  }

  /** All of it, and begins anew. */
  #handOn(end: number): void {
    const { u32 } = this.#vm;
    u32[LAST] = 0;
    u32[AT] = MEMORY_MAP.EXIT_LOG;
    this.#open = false;
    this.#take(this.#bytes.subarray(MEMORY_MAP.EXIT_LOG, end));
  }

  /** Hands on all records but the last exit's. */
  drain(): void {
    const { u32 } = this.#vm;
    const end = u32[AT] as number;
    const last = u32[LAST] as number;
    if (last === 0 && end > MEMORY_MAP.EXIT_LOG) this.#handOn(end);
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
    this.#vm.onConsoleByte = undefined;
    if (this.#watches) this.#vm.watch([]);
  }
}
