/**
 * What a VM tells its tracer over a channel of its socket (service `trace`, `vmm/vm-socket.ts`): messages of a u8 kind and a payload.
 *
 * | kind | payload |
 * |---|---|
 * | 1 ENABLED | v8.serialize of `Enabled` |
 * | 2 REFUSED | JSON: `Refusal` |
 * | 3 RECORDS | f64 host time in ms at which they were read, f64 ns of the VM's clock (0: not known), then whole records |
 * | 4 DROPS | JSON: `DropCount[]` |
 * | 5 AGGREGATIONS | u8 flags (1 first of a reading, 2 last), then whole SNAPSHOT records |
 * | 6 ENDED | JSON: `Ended` |
 * | 7 NOTE | UTF-8: lines for the user, such as why the VM stands still |
 *
 * The tracer asks with `TraceRequest` when it opens the channel, and later with JSON: `{ "stop": true }`; `{ "go": true }` lets a VM run that waits for
 * its tracer before its first instruction. It ends by closing the channel.
 *
 * Host times are of the monotonic clock that all processes of a host share.
 *
 * @module
 */
import { deserialize, serialize } from 'node:v8';
import type { ProgramDescriptor } from '../program.ts';
import { ProtocolError } from '../../vmm/vm-socket.ts';
import type { DropCount } from './enabling.ts';

export const TRACE_SERVICE = 'trace';

export const MESSAGE = { ENABLED: 1, REFUSED: 2, RECORDS: 3, DROPS: 4, AGGREGATIONS: 5, ENDED: 6, NOTE: 7 } as const;

/** The program compiled and its probes are on. */
export interface Enabled {
  readonly descriptor: ProgramDescriptor;
  /** Probes matched by each source. */
  readonly matched: readonly number[];
  /** Lines for the user: a probe that needs an intercept, ... */
  readonly notes: readonly string[];
}

/** The program did not compile, or could not be enabled. */
export interface Refusal {
  /** The whole message but for the command's name. */
  readonly text: string;
  /** The VM has ended, nothing is wrong with the program. */
  readonly gone?: boolean;
  /** It compiled, and was not quiet: probes matched by each source. */
  readonly matched?: readonly number[];
}

/** There is nothing more to come. */
export interface Ended {
  readonly exitStatus: number;
}

/** Parts of a reading of aggregations. */
export const READING = { FIRST: 1, LAST: 2 } as const;

const STAMPS = 16;

/** ms of the host's monotonic clock. */
export function hostNow(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}

function framed(kind: number, payload: Uint8Array): Buffer {
  const message = Buffer.allocUnsafe(1 + payload.length);
  message[0] = kind;
  message.set(payload, 1);
  return message;
}

export const encode = {
  enabled: (enabled: Enabled): Buffer => framed(MESSAGE.ENABLED, serialize(enabled)),
  refused: (refusal: Refusal): Buffer => framed(MESSAGE.REFUSED, Buffer.from(JSON.stringify(refusal))),
  records(bytes: Uint8Array, clockNs: number): Buffer {
    const message = Buffer.allocUnsafe(1 + STAMPS + bytes.length);
    message[0] = MESSAGE.RECORDS;
    message.writeDoubleLE(hostNow(), 1);
    message.writeDoubleLE(clockNs, 9);
    message.set(bytes, 1 + STAMPS);
    return message;
  },
  drops: (counts: readonly DropCount[]): Buffer => framed(MESSAGE.DROPS, Buffer.from(JSON.stringify(counts))),
  aggregations: (flags: number, records: Uint8Array): Buffer => {
    const message = Buffer.allocUnsafe(2 + records.length);
    message[0] = MESSAGE.AGGREGATIONS;
    message[1] = flags;
    message.set(records, 2);
    return message;
  },
  ended: (ended: Ended): Buffer => framed(MESSAGE.ENDED, Buffer.from(JSON.stringify(ended))),
  note: (text: string): Buffer => framed(MESSAGE.NOTE, Buffer.from(text)),
};

/** Records with the times at which they were read. */
export interface StampedRecords {
  readonly hostMs: number;
  readonly clockNs: number;
  /** Its own memory: records are aligned in it. */
  readonly bytes: Uint8Array<ArrayBuffer>;
}

/** Takes messages apart. */
export interface MessageEvents {
  enabled(enabled: Enabled): void;
  refused(refusal: Refusal): void;
  records(records: StampedRecords): void;
  drops(counts: readonly DropCount[]): void;
  aggregations(flags: number, records: Uint8Array<ArrayBuffer>): void;
  ended(ended: Ended): void;
  note(text: string): void;
}

/** Takes a message apart. Throws ProtocolError. */
export function dispatch(message: Buffer, events: MessageEvents): void {
  const payload = message.subarray(1);
  switch (message[0]) {
    case MESSAGE.ENABLED:
      events.enabled(deserialize(payload) as Enabled);
      return;
    case MESSAGE.REFUSED:
      events.refused(JSON.parse(payload.toString('utf8')) as Refusal);
      return;
    case MESSAGE.RECORDS:
      events.records({
        hostMs: payload.readDoubleLE(0),
        clockNs: payload.readDoubleLE(8),
        bytes: Uint8Array.from(payload.subarray(STAMPS)),
      });
      return;
    case MESSAGE.DROPS:
      events.drops(JSON.parse(payload.toString('utf8')) as DropCount[]);
      return;
    case MESSAGE.AGGREGATIONS:
      events.aggregations(payload[0] as number, Uint8Array.from(payload.subarray(1)));
      return;
    case MESSAGE.ENDED:
      events.ended(JSON.parse(payload.toString('utf8')) as Ended);
      return;
    case MESSAGE.NOTE:
      events.note(payload.toString('utf8'));
      return;
    default:
      throw new ProtocolError(`a message of kind ${message[0]}`);
  }
}
