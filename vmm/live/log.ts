/**
 * The log of exits of a guest that is stepped: written to a file that the main thread has opened and reads whenever the guest stands.
 *
 * The core completes an exit's record until the next exit begins, so the keeper holds the last one back. When the guest stands it is written all the same,
 * at the place where it will be written again once it is whole.
 *
 * @module
 */
import { writeSync } from 'node:fs';
import { MEMORY_MAP, VM_AREA } from '../cpu/layout.ts';
import { ExitLogKeeper, type KeeperOptions } from '../exit-log/keeper.ts';
import { closingRecord, eachExit, headerOf } from '../exit-log/record.ts';
import type { Vm } from '../vm.ts';

const AT = (MEMORY_MAP.VM_BASE + VM_AREA.EXIT_LOG_AT) >>> 2;

/** Takes each exit and each record of a mark or of text, once, in order. */
export interface RecordTaker {
  exit(view: DataView, at: number): void;
  aside(view: DataView, at: number): void;
}

export class LiveLog {
  readonly #vm: Vm;
  readonly #fd: number;
  readonly #taker: RecordTaker;
  readonly #keeper: ExitLogKeeper;
  readonly #bytes: Uint8Array;
  /** Where the next records go. */
  #position = 0;
  /** Bytes, of those that the keeper holds back, that were taken already. */
  #taken = 0;
  exits = 0;

  /** `kept` as of ExitLogKeeper. Throws the system's error, here and wherever it writes. */
  constructor(vm: Vm, fd: number, kept: KeeperOptions, taker: RecordTaker) {
    this.#vm = vm;
    this.#fd = fd;
    this.#taker = taker;
    this.#bytes = new Uint8Array(vm.memory.buffer);
    this.#append(headerOf({ name: vm.name, vcpus: vm.vcpus.length }));
    this.#keeper = new ExitLogKeeper(vm, (records) => this.#drained(records), kept);
  }

  #append(bytes: Uint8Array): void {
    this.#write(bytes);
    this.#position += bytes.length;
  }

  #write(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; ) at += writeSync(this.#fd, bytes, at, bytes.length - at, this.#position + at);
  }

  #drained(records: Uint8Array): void {
    const view = new DataView(records.buffer, records.byteOffset, records.length);
    this.#takeFrom(view, this.#taken);
    this.#taken = Math.max(0, this.#taken - records.length);
    this.#append(records);
  }

  /** Records from an offset on. */
  #takeFrom(view: DataView, offset: number): void {
    if (offset >= view.byteLength) return;
    const rest = new DataView(view.buffer, view.byteOffset + offset, view.byteLength - offset);
    eachExit(
      rest,
      (at) => {
        this.exits++;
        this.#taker.exit(rest, at);
        return true;
      },
      (at) => {
        this.#taker.aside(rest, at);
        return true;
      },
    );
  }

  /** Between two instructions: takes all records, those that the keeper holds back too. */
  look(): void {
    this.#keeper.drain();
    const held = (this.#vm.u32[AT] as number) - MEMORY_MAP.EXIT_LOG;
    if (held <= this.#taken) return;
    this.#keeper.seal();
    this.#takeFrom(new DataView(this.#vm.memory.buffer, MEMORY_MAP.EXIT_LOG, held), this.#taken);
    this.#taken = held;
  }

  /** Writes what there is. */
  flush(): void {
    this.look();
    const at = this.#vm.u32[AT] as number;
    if (at > MEMORY_MAP.EXIT_LOG) this.#write(this.#bytes.subarray(MEMORY_MAP.EXIT_LOG, at));
  }

  /** The guest has run for the last time. */
  end(): void {
    this.look();
    this.#keeper.end();
    const { instructions } = this.#vm;
    this.#append(closingRecord(this.exits, this.#vm.clock.now(), instructions));
  }
}
