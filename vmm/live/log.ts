/**
 * The log of exits of a guest that is stepped: written to a file that the main thread has opened and reads whenever the guest stands.
 *
 * The core completes an exit's record until the next exit begins, so the keeper holds the last one back. When the guest stands it is written all the same,
 * at the place where it will be written again once it is whole.
 *
 * @module
 */
import { writeSync } from 'node:fs';
import { EXIT_RECORD, MEMORY_MAP, VM_AREA } from '../cpu/layout.ts';
import { ExitLogKeeper } from '../exit-log/keeper.ts';
import { chainEnd, closingRecord, headerOf } from '../exit-log/record.ts';
import type { Vm } from '../vm.ts';

const AT = (MEMORY_MAP.VM_BASE + VM_AREA.EXIT_LOG_AT) >>> 2;
const LAST = (MEMORY_MAP.VM_BASE + VM_AREA.EXIT_LOG_LAST) >>> 2;

/** Takes each exit, once, in order. */
export type TakeExit = (view: DataView, at: number) => void;

export class LiveLog {
  readonly #vm: Vm;
  readonly #fd: number;
  readonly #take: TakeExit;
  readonly #keeper: ExitLogKeeper;
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  /** Where the next records go. */
  #position = 0;
  /** The exit that the keeper holds back was taken already. */
  #ahead = false;
  exits = 0;

  /** `frames` as of ExitLogKeeper. Throws the system's error, here and wherever it writes. */
  constructor(vm: Vm, fd: number, frames: number, take: TakeExit) {
    this.#vm = vm;
    this.#fd = fd;
    this.#take = take;
    this.#bytes = new Uint8Array(vm.memory.buffer);
    this.#view = new DataView(vm.memory.buffer);
    this.#append(headerOf({ name: vm.name, vcpus: vm.vcpus.length }));
    this.#keeper = new ExitLogKeeper(vm, (records) => this.#drained(records), frames);
  }

  #append(bytes: Uint8Array): void {
    this.#write(bytes);
    this.#position += bytes.length;
  }

  #write(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; ) at += writeSync(this.#fd, bytes, at, bytes.length - at, this.#position + at);
  }

  #drained(records: Uint8Array): void {
    this.#exits(new DataView(records.buffer, records.byteOffset, records.length));
    this.#append(records);
  }

  #exits(view: DataView): void {
    for (let at = 0; at < view.byteLength; at = chainEnd(view, at + EXIT_RECORD.BYTES)) {
      if (this.#ahead) {
        this.#ahead = false;
        continue;
      }
      this.exits++;
      this.#take(view, at);
    }
  }

  /** Between two instructions: takes all exits, the last one too. */
  look(): void {
    this.#keeper.drain();
    const last = this.#vm.u32[LAST] as number;
    if (last === 0 || this.#ahead) return;
    this.exits++;
    this.#take(this.#view, last);
    this.#ahead = true;
  }

  /** Writes what there is. */
  flush(): void {
    this.look();
    const last = this.#vm.u32[LAST] as number;
    if (last !== 0) this.#write(this.#bytes.subarray(last, this.#vm.u32[AT]));
  }

  /** The guest has run for the last time. */
  end(): void {
    this.look();
    this.#keeper.end();
    const instructions = this.#vm.vcpus.reduce((sum, vcpu) => sum + vcpu.instructions, 0);
    this.#append(closingRecord(this.exits, this.#vm.clock.now(), instructions));
  }
}
