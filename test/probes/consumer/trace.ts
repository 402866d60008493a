/**
 * Makes traces for tests: programs described, their records and aggregations as bytes, and what a consumer makes of them.
 *
 * Data are laid out as the compiler lays them out: one after the other, each aligned to its size.
 */
import { RECORD, SPECIAL } from '../../../probes/arena.ts';
import { Consumer, type ConsumerOptions } from '../../../probes/consumer/consumer.ts';
import { CHAR, INT, LONG, SHORT, sizeOf, STRING, UINT64, UNSIGNED, UNSIGNED_CHAR, UNSIGNED_SHORT } from '../../../probes/d/ctype.ts';
import type { ActionName, AggregatingFunction, Probe } from '../../../probes/d/tree.ts';
import type { DynamicType, Member, StructType, Type } from '../../../probes/d/types.ts';
import { resolve } from '../../../probes/d/types.ts';
import { defaultOptions } from '../../../probes/options.ts';
import type {
  ActionDescriptor,
  AggregationDescriptor,
  DatumDescriptor,
  EffectiveOptions,
  EpidDescriptor,
  ProgramDescriptor,
} from '../../../probes/program.ts';
import { NO_MEMORY } from '../no-memory.ts';

export const types = {
  char: CHAR,
  unsignedChar: UNSIGNED_CHAR,
  short: SHORT,
  unsignedShort: UNSIGNED_SHORT,
  int: INT,
  unsigned: UNSIGNED,
  long: LONG,
  unsignedLong: UINT64,
  string: STRING,
} as const;

export const dynamic = (what: DynamicType['what'], bytes: number): DynamicType => ({ kind: 'dynamic', what, bytes });

/** A structure or union: name, type, offset and bits of each member. */
export function struct(
  tag: string,
  bytes: number,
  members: readonly [string, Type, number, Member['bits']?][],
  kind: 'struct' | 'union' = 'struct',
): StructType {
  return {
    kind,
    tag,
    bytes,
    align: 8,
    complete: true,
    members: members.map(([name, type, offset, bits]) => ({ name, type, offset, ...(bits && { bits }) })),
  };
}

/** A value of a datum: a number, text (bytes beyond its NUL are 0), or bytes as they are. */
export type Value = number | bigint | string | Uint8Array;

export interface Field {
  readonly type: Type;
  readonly value: Value;
  /** Bytes of a string or of bytes; the size of the type otherwise. */
  readonly bytes?: number;
}

export const field = (type: Type, value: Value, bytes?: number): Field => ({ type, value, ...(bytes !== undefined && { bytes }) });
export const int = (value: number): Field => field(INT, value);
export const long = (value: number | bigint): Field => field(LONG, value);
export const u64 = (value: number | bigint): Field => field(UINT64, value);
export const text = (value: string, bytes = 256): Field => field(STRING, value, bytes);

/** An action, and the values that it records. */
export interface TestAction {
  readonly action: ActionName;
  readonly fields?: readonly Field[];
  readonly format?: string;
  readonly aggregations?: readonly number[];
  readonly size?: number;
}

export const printf = (format: string, ...fields: Field[]): TestAction => ({ action: 'printf', format, fields });
export const trace = (value: Field): TestAction => ({ action: 'trace', fields: [value] });
export const exit = (status = 0): TestAction => ({ action: 'exit', fields: [int(status)] });

const align = (at: number, bytes: number): number => (at + bytes - 1) & -bytes;

function write(view: DataView, at: number, bytes: number, type: Type, value: Value): void {
  if (typeof value === 'string') {
    Buffer.from(view.buffer, view.byteOffset).write(value.slice(0, bytes), at, 'latin1');
    return;
  }
  if (value instanceof Uint8Array) {
    new Uint8Array(view.buffer, view.byteOffset).set(value.subarray(0, bytes), at);
    return;
  }
  if (resolve(type).kind === 'float') {
    if (bytes === 4) view.setFloat32(at, Number(value), true);
    else view.setFloat64(at, Number(value), true);
    return;
  }
  const number = BigInt.asUintN(64, BigInt(value));
  for (let i = 0; i < bytes; i++) view.setUint8(at + i, Number((number >> BigInt(8 * i)) & 0xffn));
}

function layOut(fields: readonly Field[], start: number): { data: DatumDescriptor[]; end: number } {
  let at = start;
  const data = fields.map(({ type, bytes: given }): DatumDescriptor => {
    const bytes = given ?? sizeOf(type);
    at = align(at, bytes === 1 || bytes === 2 || bytes === 4 ? bytes : 8);
    const offset = at;
    at += bytes;
    return { offset, bytes, type };
  });
  return { data, end: align(at, 8) };
}

/** An enabling and one record of it. */
export interface Enabling {
  readonly descriptor: EpidDescriptor;
  readonly record: Uint8Array<ArrayBuffer>;
}

export const probe = (id: number, provider: string, module: string, func: string, name: string): Probe => ({
  id,
  provider,
  module,
  func,
  name,
  args: [],
});

export const BEGIN = probe(1, 'dtrace', '', '', 'BEGIN');
export const END = probe(2, 'dtrace', '', '', 'END');
export const ERROR = probe(3, 'dtrace', '', '', 'ERROR');

export function enabling(epid: number, at: Probe, actions: readonly TestAction[], { cpu = 0, timestamp = 0, flags = 0 } = {}): Enabling {
  let end: number = RECORD.HEADER;
  const described: ActionDescriptor[] = [];
  for (const { action, fields = [], format, aggregations, size } of actions) {
    const layout = layOut(fields, end);
    end = layout.end;
    described.push({ action, line: 1, data: layout.data, format, aggregations, size });
  }
  const record = new Uint8Array(end);
  const view = new DataView(record.buffer);
  view.setUint32(RECORD.SIZE, end, true);
  view.setUint32(RECORD.EPID, epid, true);
  view.setBigUint64(RECORD.TIMESTAMP, BigInt(timestamp), true);
  view.setUint32(RECORD.CPU, cpu, true);
  view.setUint32(RECORD.FLAGS, flags, true);
  actions.forEach(({ fields = [] }, i) => {
    fields.forEach(({ type, value }, j) => {
      const { offset, bytes } = described[i]!.data[j]!;
      write(view, offset, bytes, type, value);
    });
  });
  return { descriptor: { epid, probe: at, clause: epid - 1, bytes: end, actions: described }, record };
}

export interface TestAggregation {
  readonly descriptor: AggregationDescriptor;
  /** Its elements as they are, as SNAPSHOT records. */
  snapshot(elements: readonly TestElement[], normalization?: number, parts?: number): Uint8Array<ArrayBuffer>;
}

export interface TestElement {
  readonly key: readonly Value[];
  readonly words: readonly (number | bigint)[];
}

const element = (key: readonly Value[], ...words: (number | bigint)[]): TestElement => ({ key, words });
export { element };

const WORDS: Readonly<Record<string, number>> = { count: 1, sum: 1, min: 1, max: 1, avg: 2, stddev: 4, quantize: 127 };

/** An aggregation. `buckets`: of lquantize and llquantize. Keys of a type, or of one and its bytes. */
export function aggregation(
  id: number,
  name: string,
  func: AggregatingFunction,
  keys: readonly (Type | readonly [Type, number])[] = [],
  { signed = true, buckets = 0 } = {},
): TestAggregation {
  const fields = keys.map((key): Field => (Array.isArray(key) ? field(key[0], 0, key[1]) : field(key as Type, 0)));
  // As the runtime keeps them: each key in words of its own.
  let keyBytes = 0;
  const keyData = fields.map(({ type, bytes: given }): DatumDescriptor => {
    const bytes = given ?? sizeOf(type);
    const offset = keyBytes;
    keyBytes += align(bytes, 8);
    return { offset, bytes, type };
  });
  const valueBytes = 8 * (buckets || WORDS[func.name]!);
  const descriptor: AggregationDescriptor = {
    id,
    name,
    func,
    signed,
    keys: fields.map(({ type }) => type),
    keyData,
    keyBytes,
    valueBytes,
  };
  const each = 8 + keyBytes + valueBytes;
  const part = (elements: readonly TestElement[], normalization: number, flags: number): Uint8Array<ArrayBuffer> => {
    const record = new Uint8Array(RECORD.HEADER + 24 + elements.length * each);
    const view = new DataView(record.buffer);
    view.setUint32(RECORD.SIZE, record.length, true);
    view.setUint32(RECORD.EPID, SPECIAL.SNAPSHOT, true);
    view.setUint32(RECORD.HEADER, id, true);
    view.setUint32(RECORD.HEADER + 4, flags, true);
    view.setUint32(RECORD.HEADER + 8, elements.length, true);
    view.setBigInt64(RECORD.HEADER + 16, BigInt(normalization), true);
    elements.forEach(({ key, words }, i) => {
      const at = RECORD.HEADER + 24 + i * each;
      view.setUint32(at, each, true);
      key.forEach((value, j) => {
        const { offset, bytes, type } = keyData[j]!;
        // Integers fill their words with their sign.
        const width = typeof value === 'number' || typeof value === 'bigint' ? 8 : bytes;
        write(view, at + 8 + offset, width, type, value);
      });
      for (const [j, word] of words.entries()) view.setBigInt64(at + 8 + keyBytes + 8 * j, BigInt.asIntN(64, BigInt(word)), true);
    });
    return record;
  };
  return {
    descriptor,
    snapshot(elements, normalization = 1, parts = 1) {
      const size = Math.max(1, Math.ceil(elements.length / parts));
      const records: Uint8Array[] = [];
      for (let i = 0; i < parts; i++) {
        records.push(part(elements.slice(i * size, (i + 1) * size), normalization, (i === 0 ? 1 : 0) | (i === parts - 1 ? 2 : 0)));
      }
      return join(...records);
    },
  };
}

/** Words of a quantize() from its buckets: index from the one of 0. */
export function quantized(buckets: Readonly<Record<number, number>>): bigint[] {
  const words = new Array<bigint>(127).fill(0n);
  for (const [bucket, count] of Object.entries(buckets)) words[63 + Number(bucket)] = BigInt(count);
  return words;
}

export function join(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

export function program(
  enablings: readonly Enabling[],
  options: EffectiveOptions = {},
  aggregations: readonly TestAggregation[] = [],
): ProgramDescriptor {
  const epids: (EpidDescriptor | undefined)[] = [undefined];
  for (const { descriptor } of enablings) epids[descriptor.epid] = descriptor;
  return {
    epids,
    aggregations: aggregations.map(({ descriptor }) => descriptor),
    options: { ...defaultOptions(), ...options },
    destructive: options['destructive'] === 1,
    memory: NO_MEMORY,
  };
}

/** A consumer that remembers what it wrote. */
export class Listener {
  readonly consumer: Consumer;
  #output = '';
  #errors = '';

  constructor(description: ProgramDescriptor, options: Partial<ConsumerOptions> = {}) {
    this.consumer = new Consumer(description, {
      command: 'dtrace',
      output: (bytes) => {
        this.#output += Buffer.from(bytes).toString('latin1');
      },
      errors: (bytes) => {
        this.#errors += Buffer.from(bytes).toString('latin1');
      },
      ...options,
    });
  }

  get output(): string {
    return this.#output;
  }

  get errors(): string {
    return this.#errors;
  }
}

export const QUIET: EffectiveOptions = { quiet: 1 };

/** What the actions of one BEGIN say, quietly, without the newline of the end. */
export function said(actions: readonly TestAction[], options: EffectiveOptions = {}, more: Partial<ConsumerOptions> = {}): string {
  const begin = enabling(1, BEGIN, actions);
  const listener = new Listener(program([begin], { quiet: 1, ...options }), more);
  listener.consumer.records(begin.record);
  return listener.output;
}

/** What printf() makes of a format and its arguments. */
export function formatted(format: string, ...fields: Field[]): string {
  return said([printf(format, ...fields)]);
}

/** What is printed at the end of aggregations that no printa() has shown, without the newline before. */
export function finalOf(aggregations: readonly [TestAggregation, ...(readonly TestElement[])][], options: EffectiveOptions = {}): string {
  const listener = new Listener(
    program(
      [],
      options,
      aggregations.map(([one]) => one),
    ),
  );
  for (const [one, ...elements] of aggregations) listener.consumer.aggregations(one.snapshot(elements));
  listener.consumer.end();
  return listener.output.slice(1);
}

/** What one printa() prints in a quiet BEGIN. Aggregations may be named more than once; their snapshots come once. */
export function printaOf(
  aggregations: readonly [TestAggregation, ...(readonly TestElement[])][],
  format: string | undefined,
  options: EffectiveOptions = {},
  normalization = 1,
): string {
  const begin = enabling(1, BEGIN, [{ action: 'printa', format, aggregations: aggregations.map(([one]) => one.descriptor.id) }]);
  const distinct = aggregations.filter(([one], i) => aggregations.findIndex(([other]) => other === one) === i);
  const listener = new Listener(
    program(
      [begin],
      { quiet: 1, ...options },
      distinct.map(([one]) => one),
    ),
  );
  const snapshots = distinct.map(([one, ...elements]) => one.snapshot(elements, normalization));
  listener.consumer.records(join(...snapshots, begin.record));
  return listener.output;
}
