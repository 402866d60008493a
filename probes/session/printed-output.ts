/**
 * Where the merged output of a tracing goes: through the consumer to the user.
 *
 * @module
 */
import { Consumer, type ConsumerOptions } from '../consumer/consumer.ts';
import type { ProgramDescriptor } from '../program.ts';
import type { MergedOutput } from './conductor.ts';
import type { DropCount } from './enabling.ts';
import type { VoiceEnd } from './voice.ts';

/** The place where the text is written. */
export interface Drain {
  write(bytes: Uint8Array): void;
  /** It has more to write than it should; `whenDrained` when that is over. */
  readonly isFull: boolean;
}

export class PrintedOutput implements MergedOutput {
  readonly #consumer: Consumer;
  readonly #drain: Drain;
  readonly #done: (status: number, ends: readonly VoiceEnd[]) => void;
  #silent = false;

  /** `done` gets the status of exit(), or 0. */
  constructor(
    descriptor: ProgramDescriptor,
    drain: Drain,
    options: Omit<ConsumerOptions, 'output'>,
    done: (status: number, ends: readonly VoiceEnd[]) => void,
  ) {
    this.#drain = drain;
    this.#done = done;
    this.#consumer = new Consumer(descriptor, { ...options, output: (bytes) => drain.write(bytes) });
  }

  get isFull(): boolean {
    return this.#drain.isFull;
  }

  /** The program has said exit(). */
  get exited(): boolean {
    return this.#consumer.exited;
  }

  /** The user is impatient: nothing more is printed. */
  silence(): void {
    this.#silent = true;
  }

  records(bytes: Uint8Array<ArrayBuffer>): void {
    if (!this.#silent) this.#consumer.records(bytes);
  }

  drops(counts: readonly DropCount[]): void {
    if (!this.#silent) this.#consumer.drops(counts);
  }

  ended(aggregations: readonly Uint8Array<ArrayBuffer>[], ends: readonly VoiceEnd[]): void {
    if (!this.#silent) for (const records of aggregations) this.#consumer.aggregations(records);
    const status = this.#consumer.end();
    this.#done(status, ends);
  }
}
