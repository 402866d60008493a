/**
 * What one VM has to say, in the order in which it said it, until `conductor.ts` has use for it.
 *
 * Holds at most QUEUE_MAX bytes and one message; then the VM is asked to wait, its ring fills, and its program's policy decides.
 *
 * @module
 */
import type { DropCount } from './enabling.ts';
import type { Ended, StampedRecords } from './messages.ts';
import { READING } from './messages.ts';
import type { ProgramEvents } from './program.ts';
import { RecordCursor } from './records.ts';
import { SnapshotCollector, type SnapshotGroup } from './snapshot-merge.ts';

const QUEUE_MAX = 1 << 20;

/** How it ended. */
export interface VoiceEnd extends Ended {
  readonly lost?: string;
}

/** A batch of records and when they were written, by the host's clock. */
export interface Batch {
  readonly kind: 'records';
  readonly cursor: RecordCursor;
  /** The host's time of a moment of the VM's clock. */
  stampOf(timestamp: number): number;
}

export type Item =
  | Batch
  | { readonly kind: 'drops'; readonly counts: readonly DropCount[] }
  | { readonly kind: 'reading'; readonly groups: readonly SnapshotGroup[] }
  | { readonly kind: 'ended'; readonly end: VoiceEnd };

/** A record that is printed once for all VMs, and the aggregations that its printa()s print. */
export interface Held {
  readonly epid: number;
  /** Which firing of the enabling it is, from 1. */
  readonly turn: number;
  readonly record: Uint8Array<ArrayBuffer>;
  readonly groups: readonly SnapshotGroup[];
}

export class Voice implements ProgramEvents {
  /** Which of the VMs, from 0. */
  index: number;
  /** It came when the others had begun: its BEGIN is not printed. */
  late = false;
  /** Snapshots that wait for their record. */
  readonly collector = new SnapshotCollector();
  /** Each aggregation as it was last heard of. */
  readonly latest = new Map<number, SnapshotGroup>();
  /** Firings of each enabling that is printed once. */
  readonly turns = new Map<number, number>();
  held: Held | undefined;
  /** When it began to wait for the others: ms. */
  heldSince = 0;
  end: VoiceEnd | undefined;
  readonly #queue: Item[] = [];
  #bytes = 0;
  #blocked = false;
  #readingParts = new SnapshotCollector();
  #before: { hostMs: number; clockNs: number } | undefined;
  readonly #heard: () => void;

  constructor(index: number, heard: () => void) {
    this.index = index;
    this.#heard = heard;
  }

  /** The oldest item; it stays. */
  get next(): Item | undefined {
    return this.#queue[0];
  }

  /** Takes the oldest item away. True: it was full, and the VM is to resume. */
  shift(): boolean {
    const item = this.#queue.shift();
    if (item?.kind === 'records') this.#bytes -= item.cursor.bytes.length;
    if (!this.#blocked || this.#bytes > QUEUE_MAX / 2) return false;
    this.#blocked = false;
    return true;
  }

  records({ hostMs, clockNs, bytes }: StampedRecords): boolean {
    const cursor = new RecordCursor(bytes);
    const first = cursor.peek();
    if (first !== undefined) {
      const from = this.#before ?? { hostMs, clockNs: first.timestamp };
      const rate = clockNs > from.clockNs ? (hostMs - from.hostMs) / (clockNs - from.clockNs) : 0;
      const stampOf = (t: number): number => Math.min(hostMs, Math.max(from.hostMs, hostMs - (clockNs - t) * rate));
      this.#before = { hostMs, clockNs };
      this.#queue.push({ kind: 'records', cursor, stampOf });
      this.#bytes += bytes.length;
      this.#heard();
    }
    return this.#room;
  }

  get #room(): boolean {
    this.#blocked = this.#bytes > QUEUE_MAX;
    return !this.#blocked;
  }

  drops(counts: readonly DropCount[]): void {
    this.#push({ kind: 'drops', counts });
  }

  aggregations(flags: number, records: Uint8Array<ArrayBuffer>): boolean {
    if (flags & READING.FIRST) this.#readingParts = new SnapshotCollector();
    if (records.length > 0) this.#readingParts.add(records);
    if (flags & READING.LAST) this.#push({ kind: 'reading', groups: this.#readingParts.take() });
    return this.#room;
  }

  ended(end: VoiceEnd): void {
    this.#push({ kind: 'ended', end });
  }

  #push(item: Item): void {
    this.#queue.push(item);
    this.#heard();
  }
}
