/**
 * Snapshots of aggregations of several VMs, as one: SNAPSHOT records in, one SNAPSHOT record out (`probes/arena.ts`).
 *
 * @module
 */
import { RECORD, SPECIAL } from '../arena.ts';
import { elementBytes, type Element, mergeElements, readElements } from '../consumer/aggregation.ts';
import { RecordBytes } from '../consumer/datum.ts';
import type { AggregationDescriptor } from '../program.ts';

const BODY = RECORD.HEADER;
const ID = BODY;
const FLAGS = BODY + 4;
const COUNT = BODY + 8;
const NORMAL = BODY + 16;
const ELEMENTS = BODY + 24;
const FIRST = 1;
const WHOLE = 3;

/** One aggregation at one time, in the records that hold it. */
export interface SnapshotGroup {
  readonly id: number;
  readonly parts: readonly RecordBytes[];
}

/** Puts the parts that belong together into groups, in order. */
export class SnapshotCollector {
  #groups: { readonly id: number; readonly parts: RecordBytes[] }[] = [];

  /** A SNAPSHOT record, whose bytes stay as they are. */
  add(record: Uint8Array<ArrayBuffer>): void {
    if (record.length < ELEMENTS) return;
    const part = new RecordBytes(record);
    const id = part.u32(ID);
    const last = this.#groups.at(-1);
    if (part.u32(FLAGS) & FIRST || last?.id !== id) this.#groups.push({ id, parts: [part] });
    else last.parts.push(part);
  }

  take(): readonly SnapshotGroup[] {
    const taken = this.#groups;
    this.#groups = [];
    return taken;
  }
}

function elements(group: SnapshotGroup, aggregation: AggregationDescriptor): readonly Element[] {
  return group.parts.flatMap((part) => readElements(part, ELEMENTS, part.u32(COUNT), aggregation));
}

/** One record for several groups of one aggregation. The header is that of the first, and the normalization too. */
export function mergeGroups(aggregation: AggregationDescriptor, groups: readonly SnapshotGroup[]): Uint8Array<ArrayBuffer> {
  const merged = mergeElements(
    aggregation,
    groups.map((group) => elements(group, aggregation)),
  );
  const [first] = (groups[0] as SnapshotGroup).parts as [RecordBytes];
  const each = elementBytes(aggregation);
  const record = new Uint8Array(ELEMENTS + merged.length * each);
  record.set(first.buffer.subarray(0, ELEMENTS));
  const view = new DataView(record.buffer);
  view.setUint32(RECORD.SIZE, record.length, true);
  view.setUint32(RECORD.EPID, SPECIAL.SNAPSHOT, true);
  view.setUint32(FLAGS, WHOLE, true);
  view.setUint32(COUNT, merged.length, true);
  view.setBigInt64(NORMAL, first.view.getBigInt64(NORMAL, true), true);
  merged.forEach((element, i) => {
    const at = ELEMENTS + i * each;
    view.setUint32(at, each, true);
    const key = element.record.buffer.subarray(element.at, element.at + aggregation.keyBytes);
    record.set(key, at + 8);
    const words = new Uint8Array(element.words.buffer, element.words.byteOffset, element.words.byteLength);
    record.set(words, at + each - aggregation.valueBytes);
  });
  return record;
}
