/**
 * A trace as JSON, one object to a line, for machines (`--json`): `output.schema.json` describes it.
 *
 * Everything that the text output says is here as data: records with the values of their actions, aggregations with their elements in the order
 * in which they would be printed, faults, drops, the end. Actions that do something (system, freopen, setopt) do it here too.
 *
 * @module
 */
import { RECORD } from '../arena.ts';
import type { Probe } from '../d/tree.ts';
import { typeName } from '../d/ctype.ts';
import type { ActionDescriptor, AggregationDescriptor, EpidDescriptor, ProgramDescriptor } from '../program.ts';
import { compileEffect, compileText, type EffectHost } from './actions.ts';
import { type Element, isHistogram, resultOf, type Snapshot } from './aggregation.ts';
import { orderElements, orderSnapshots } from './aggregation-order.ts';
import { PrintaFormat } from './aggregation-text.ts';
import { bucketsOf } from './buckets.ts';
import { byteString } from '../byte-string.ts';
import type { RecordBytes } from './datum.ts';
import { type Json, jsonDatum, jsonInteger, jsonText, jsonTyped } from './json-value.ts';
import type { Output } from './output.ts';
import { type DropKind, dropText, type Fault, faultName, faultText, hasAddress } from './reports.ts';
import type { Settings } from './settings.ts';
import type { RecordEvent, Snapshots, Writer } from './writer.ts';

type JsonObject = { readonly [key: string]: Json | undefined };

/** Says what one action of a record says. */
type Step = (record: RecordBytes, at: number, snapshots: Snapshots, taken: Map<number, number>) => JsonObject;

export interface JsonWriterHost {
  readonly program: ProgramDescriptor;
  readonly settings: Settings;
  /** Where the objects go. */
  readonly output: Output;
  readonly effects: EffectHost;
}

/** Bit of a record's flags: it comes from a speculation that was committed. */
const SPECULATIVE = 1;

const named = (aggregation: AggregationDescriptor): string => `@${aggregation.name}`;

function probeJson({ id, provider, module, func, name }: Probe): JsonObject {
  return { id, provider, module, function: func, name };
}

export class JsonWriter implements Writer {
  readonly #host: JsonWriterHost;
  readonly #settings: Settings;
  readonly #steps = new Map<number, readonly Step[]>();
  readonly #aggregations: ReadonlyMap<number, AggregationDescriptor>;
  readonly #printed = new Set<number>();

  constructor(host: JsonWriterHost) {
    this.#host = host;
    this.#settings = host.settings;
    this.#aggregations = new Map(host.program.aggregations.map((aggregation) => [aggregation.id, aggregation]));
    for (const enabling of host.program.epids) {
      if (enabling !== undefined) this.#steps.set(enabling.epid, this.#compile(enabling));
    }
  }

  #compile(enabling: EpidDescriptor): readonly Step[] {
    return enabling.actions.filter(({ action }) => action !== 'default').map((action) => this.#step(action, enabling));
  }

  #step(action: ActionDescriptor, enabling: EpidDescriptor): Step {
    const effect = compileEffect(action, enabling, this.#host.effects);
    const { action: name, data } = action;
    const { symbols } = this.#settings;
    if (effect !== undefined) {
      return (record, at) => {
        const details = Object.entries(effect(record, at)).map(([key, value]) => [
          key,
          typeof value === 'string' ? jsonText(value) : value,
        ]);
        return { action: name, ...Object.fromEntries(details) };
      };
    }
    const values = (record: RecordBytes, at: number): Json[] => data.map((datum) => jsonDatum(record, at, datum, symbols));
    switch (name) {
      case 'printf': {
        const text = compileText(action, this.#settings);
        return (record, at) => ({ action: name, text: jsonText(text(record, at, undefined)), arguments: values(record, at) });
      }
      case 'printa':
        return this.#printa(action);
      case 'print': {
        const [datum] = data;
        if (datum === undefined) return () => ({ action: name });
        const type = typeName(datum.type);
        return (record, at) => ({ action: name, type, value: jsonTyped(record, at + datum.offset, datum.bytes, datum.type) });
      }
      case 'clear':
      case 'trunc':
      case 'normalize':
      case 'denormalize': {
        const names = (action.aggregations ?? []).map((id) => this.#nameOf(id));
        return () => ({ action: name, aggregations: names });
      }
      default:
        if (data.length === 0) return () => ({ action: name });
        return (record, at) => ({ action: name, value: data.length === 1 ? values(record, at)[0] : values(record, at) });
    }
  }

  #nameOf(id: number): string {
    const aggregation = this.#aggregations.get(id);
    return aggregation === undefined ? `@${id}` : named(aggregation);
  }

  #printa(action: ActionDescriptor): Step {
    const aggregations = (action.aggregations ?? []).map((id) => this.#aggregations.get(id)!);
    const format = action.format === undefined ? undefined : new PrintaFormat(byteString(action.format), aggregations, this.#settings);
    return (_record, _at, snapshots, taken) => {
      const distinct = new Map<number, Snapshot>();
      for (const aggregation of aggregations) {
        const { id } = aggregation;
        if (distinct.has(id)) continue;
        const number = taken.get(id) ?? 0;
        taken.set(id, number + 1);
        distinct.set(id, snapshots.get(id)?.[number] ?? { aggregation, normalization: 1n, elements: [] });
      }
      const shown = aggregations.map(({ id }) => distinct.get(id)!);
      if (shown.some(({ elements }) => elements.length > 0)) for (const { id } of aggregations) this.#printed.add(id);
      return {
        action: 'printa',
        ...(format && { text: jsonText(format.text(shown)) }),
        aggregations: shown.map((snapshot) => this.#snapshot(snapshot)),
      };
    };
  }

  #snapshot(snapshot: Snapshot): JsonObject {
    const { aggregation, normalization } = snapshot;
    return {
      name: named(aggregation),
      function: aggregation.func.name,
      normalization: jsonInteger(normalization),
      elements: orderElements(snapshot, this.#settings.options).map((element) => this.#element(element, snapshot)),
    };
  }

  #element({ record, at, words }: Element, { aggregation, normalization }: Snapshot): Json {
    const key = aggregation.keyData.map((datum) => jsonDatum(record, at, datum, this.#settings.symbols));
    const by = normalization === 0n ? 1n : normalization;
    if (!isHistogram(aggregation)) return { key, value: jsonInteger(resultOf(aggregation, words, by)) };
    const buckets: Json[] = [];
    bucketsOf(aggregation.func).forEach(({ least, open }, i) => {
      const count = words[i] ?? 0n;
      if (count !== 0n) buckets.push({ [open === 'below' ? 'below' : 'least']: jsonInteger(least), count: jsonInteger(count / by) });
    });
    return { key, buckets };
  }

  #write(object: JsonObject): void {
    this.#host.output.add(`${byteString(JSON.stringify(object))}\n`);
  }

  record({ enabling, record, at, snapshots }: RecordEvent): void {
    const taken = new Map<number, number>();
    const steps = this.#steps.get(enabling.epid) ?? [];
    this.#write({
      type: 'record',
      cpu: record.u32(at + RECORD.CPU),
      time: jsonInteger(record.u64(at + RECORD.TIMESTAMP)),
      epid: enabling.epid,
      probe: probeJson(enabling.probe),
      speculative: (record.u32(at + RECORD.FLAGS) & SPECULATIVE) !== 0 ? true : undefined,
      actions: steps.map((step) => step(record, at, snapshots, taken)),
    });
  }

  fault(fault: Fault, enabling: EpidDescriptor | undefined): void {
    if (enabling === undefined) return;
    this.#write({
      type: 'error',
      message: faultText(fault, enabling.probe),
      epid: fault.epid,
      probe: probeJson(enabling.probe),
      fault: faultName(fault.fault),
      action: fault.action,
      offset: fault.offset === -1 ? undefined : fault.offset,
      address: hasAddress(fault.fault) ? fault.address : undefined,
    });
  }

  failed(text: string): void {
    this.#write({ type: 'error', message: jsonText(text.trimEnd()) });
  }

  drops(kind: DropKind, count: number): void {
    this.#write({ type: 'drop', message: dropText(kind, count, false), kind, count });
  }

  end(aggregations: readonly Snapshot[], exitStatus: number): void {
    const left = aggregations.filter(({ aggregation, elements }) => !this.#printed.has(aggregation.id) && elements.length > 0);
    for (const snapshot of orderSnapshots(left, this.#settings.options)) {
      this.#write({ type: 'aggregation', ...this.#snapshot(snapshot) });
    }
    this.#write({ type: 'end', status: exitStatus });
    this.#host.output.end();
  }

  flush(): void {
    this.#host.output.flush();
  }
}
