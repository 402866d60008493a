/**
 * Whole records, as they were copied out of a ring: see `probes/arena.ts`.
 *
 * @module
 */
import { RECORD } from '../arena.ts';

/** A record of a batch. */
export interface RecordPlace {
  readonly epid: number;
  /** ns of the VM's clock. */
  readonly timestamp: number;
  readonly start: number;
  readonly end: number;
}

/** Goes through a batch of whole records. */
export class RecordCursor {
  readonly bytes: Uint8Array<ArrayBuffer>;
  readonly view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array<ArrayBuffer>) {
    this.bytes = bytes;
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  }

  /** The next record, which stays the next one; undefined at the end, or where what follows is no record. */
  peek(): RecordPlace | undefined {
    const start = this.#at;
    if (start + RECORD.HEADER > this.bytes.length) return undefined;
    const end = start + this.view.getUint32(start + RECORD.SIZE, true);
    if (end < start + RECORD.HEADER || end > this.bytes.length) return undefined;
    return { epid: this.view.getUint32(start + RECORD.EPID, true), timestamp: timestampAt(this.view, start), start, end };
  }

  advance(record: RecordPlace): void {
    this.#at = record.end;
  }
}

function timestampAt(view: DataView, record: number): number {
  return view.getUint32(record + RECORD.TIMESTAMP + 4, true) * 2 ** 32 + view.getUint32(record + RECORD.TIMESTAMP, true);
}

/** Time of the last record; 0 when there is none. */
export function lastTimestamp(bytes: Uint8Array<ArrayBuffer>): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let last = -1;
  for (let at = 0; at + RECORD.HEADER <= bytes.length; at += Math.max(RECORD.HEADER, view.getUint32(at + RECORD.SIZE, true))) last = at;
  return last < 0 ? 0 : timestampAt(view, last);
}
