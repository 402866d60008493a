/**
 * Counts records of an exit log by kind: what tables of costs tell apart. That is a reason and the device that answers, or a cause that a table names.
 *
 * There are few kinds whatever the log holds, so this needs no bound.
 *
 * @module
 */
import { EXIT_RECORD } from '../cpu/layout.ts';
import { EXIT_REASON, exitReasonName } from '../exit-reason.ts';
import { causeName, causeOf, causeParts } from './cause.ts';
import { DEVICE_CLASSES, deviceClassOf, deviceClassOfCause } from './device-class.ts';

/** What a table of costs gives a price to. */
export interface ExitKind {
  readonly name: string;
  readonly reason: number;
  /** Who answers; undefined: the exit is no access to a device. */
  readonly device?: string;
  /** A cause that some table names. */
  readonly cause?: number;
}

export interface KindCount {
  readonly kind: ExitKind;
  count: number;
  /** Of port accesses; a record has no length of the others. */
  bytes: number;
}

const CLASSES = DEVICE_CLASSES.length;

export class KindTally {
  readonly #causes: ReadonlySet<number>;
  /** Reasons that have such causes: only of their exits is the cause worked out. */
  readonly #reasons = new Uint8Array(256);
  readonly #plain: (KindCount | undefined)[] = [];
  readonly #named = new Map<number, KindCount>();
  /** The instructions that each vCPU has retired, as the last record of it tells. */
  readonly #retired: number[] = [];

  /** `causes`: what counts by itself, with the reasons of those. */
  constructor(causes: ReadonlySet<number>, reasons: Iterable<number>) {
    this.#causes = causes;
    for (const reason of reasons) this.#reasons[reason] = 1;
  }

  /** The kind of the exit whose record stands at `at`. */
  countOf(view: DataView, at: number): KindCount {
    const reason = view.getUint8(at + EXIT_RECORD.REASON);
    if (this.#reasons[reason] === 1) {
      const cause = causeOf(view, at);
      if (this.#causes.has(cause)) return this.#ofCause(reason, cause);
    }
    return this.#ofReason(reason, deviceClassOf(view, at));
  }

  #ofReason(reason: number, device: number): KindCount {
    return (this.#plain[reason * CLASSES + device] ??= { kind: plainKind(reason, device), count: 0, bytes: 0 });
  }

  #ofCause(reason: number, cause: number): KindCount {
    let count = this.#named.get(cause);
    if (count === undefined) {
      const device = DEVICE_CLASSES[deviceClassOfCause(cause)];
      const kind = { name: causeName(cause), reason, cause, ...(device && { device }) };
      count = { kind, count: 0, bytes: 0 };
      this.#named.set(cause, count);
    }
    return count;
  }

  add(view: DataView, at: number): void {
    const count = this.countOf(view, at);
    count.count++;
    if (count.kind.reason === EXIT_REASON.IO_INSTRUCTION) count.bytes += (view.getUint8(at + EXIT_RECORD.QUALIFICATION) & 7) + 1;
  }

  /** Exits that were counted by their cause; `cause` is that, or a whole reason. */
  addCause(cause: number, count: number): void {
    const { reason } = causeParts(cause);
    const kind = this.#causes.has(cause) ? this.#ofCause(reason, cause) : this.#ofReason(reason, deviceClassOfCause(cause));
    kind.count += count;
  }

  /** Takes note of how far the vCPU of a record is. */
  passed(view: DataView, at: number): void {
    const vcpu = view.getUint8(at + EXIT_RECORD.VCPU);
    const low = view.getUint32(at + EXIT_RECORD.ICOUNT, true);
    this.#retired[vcpu] = view.getUint16(at + EXIT_RECORD.ICOUNT + 4, true) * 0x1_0000_0000 + low;
  }

  /** Instructions of all vCPUs up to their last exits. */
  get retired(): number {
    return this.#retired.reduce((sum, n) => sum + n, 0);
  }

  /** In no order. */
  counts(): KindCount[] {
    return [...this.#plain, ...this.#named.values()].filter((count) => count !== undefined);
  }
}

function plainKind(reason: number, device: number): ExitKind {
  const name = exitReasonName(reason);
  const answers = DEVICE_CLASSES[device] as string;
  return device === 0 ? { name, reason } : { name: `${name} ${answers}`, reason, device: answers };
}
