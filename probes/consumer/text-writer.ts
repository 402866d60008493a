/**
 * A trace as text, to the byte what dtrace(1M) prints: a heading, a line for each record with what its actions say, aggregations at the end.
 *
 * Each enabling is compiled once into functions that give the text of one action; a record then costs its own text and little else.
 *
 * @module
 */
import { RECORD } from '../arena.ts';
import type { ActionDescriptor, AggregationDescriptor, DatumDescriptor, EpidDescriptor, ProgramDescriptor } from '../program.ts';
import { isSet } from '../options.ts';
import { compileEffect, compileText, type EffectHost } from './actions.ts';
import type { Snapshot } from './aggregation.ts';
import { defaultText, finalText, PrintaFormat } from './aggregation-text.ts';
import { byteString } from '../byte-string.ts';
import { isIntegerSize, readDatum, type RecordBytes } from './datum.ts';
import { Flow } from './flow.ts';
import type { Output } from './output.ts';
import { printText } from './print.ts';
import { type DropKind, dropText, type Fault, faultText } from './reports.ts';
import type { Settings } from './settings.ts';
import { dynamicKind, stackText, symbolField } from './symbols.ts';
import { dump, traceText } from './trace.ts';
import { NO_SNAPSHOTS, type RecordEvent, type Snapshots, type Writer } from './writer.ts';

/** Says what one action of a record says. */
type Step = (record: RecordBytes, at: number) => string;

/** An enabling, compiled. */
interface Line {
  readonly steps: readonly Step[];
  /** `%3d %6d %32s ` by CPU, as they come up. */
  readonly rows: string[];
}

/** Columns of a record's line. */
const CPU_COLUMNS = 3;
const ID_COLUMNS = 6;
const NAME_COLUMNS = 32;
const FLOW_COLUMNS = 41;

export interface TextWriterHost {
  readonly program: ProgramDescriptor;
  readonly command: string;
  readonly settings: Settings;
  readonly output: Output;
  readonly errors: Output;
  readonly effects: EffectHost;
}

export class TextWriter implements Writer {
  readonly #host: TextWriterHost;
  readonly #settings: Settings;
  readonly #output: Output;
  readonly #lines: (Line | undefined)[] = [];
  readonly #aggregations: ReadonlyMap<number, AggregationDescriptor>;
  readonly #printed = new Set<number>();
  readonly #flow: Flow;
  #snapshots: Snapshots = NO_SNAPSHOTS;
  /** How many of the snapshots of each aggregation this record's printa()s have taken. */
  readonly #taken = new Map<number, number>();
  #headed = false;

  constructor(host: TextWriterHost) {
    this.#host = host;
    this.#settings = host.settings;
    this.#output = host.output;
    this.#aggregations = new Map(host.program.aggregations.map((aggregation) => [aggregation.id, aggregation]));
    this.#flow = new Flow(host.program.epids);
    for (const enabling of host.program.epids) {
      if (enabling !== undefined) this.#lines[enabling.epid] = { steps: this.#steps(enabling), rows: [] };
    }
  }

  #steps(enabling: EpidDescriptor): Step[] {
    const steps: Step[] = [];
    for (const action of enabling.actions) {
      const step = this.#step(action, enabling);
      if (step !== undefined) steps.push(step);
    }
    return steps;
  }

  #step(action: ActionDescriptor, enabling: EpidDescriptor): Step | undefined {
    const effect = compileEffect(action, enabling, this.#host.effects);
    if (effect !== undefined) {
      return (record, at) => {
        effect(record, at);
        return '';
      };
    }
    const settings = this.#settings;
    switch (action.action) {
      case 'printf': {
        const text = compileText(action, settings);
        return (record, at) => text(record, at, undefined);
      }
      case 'printa':
        return this.#printa(action);
      case 'tracemem':
        return memoryStep(action);
      case 'print': {
        const [datum] = action.data;
        return datum && ((record, at) => printText(record, at, datum));
      }
      case 'trace':
      case 'stack':
      case 'ustack':
      case 'jstack':
      case 'sym':
      case 'mod':
      case 'func':
      case 'usym':
      case 'umod':
      case 'uaddr':
      case 'ufunc': {
        const [datum] = action.data;
        return datum && dataStep(datum, settings);
      }
      default:
        return undefined;
    }
  }

  #printa(action: ActionDescriptor): Step | undefined {
    const ids = action.aggregations ?? [];
    const aggregations: AggregationDescriptor[] = [];
    for (const id of ids) {
      const aggregation = this.#aggregations.get(id);
      if (aggregation !== undefined) aggregations.push(aggregation);
    }
    if (aggregations.length === 0) return undefined;
    const text = action.format === undefined ? undefined : new PrintaFormat(byteString(action.format), aggregations, this.#settings);
    return () => {
      const snapshots = this.#snapshotsOf(aggregations);
      // Printed is what a printa() has shown something of.
      if (snapshots.some(({ elements }) => elements.length > 0)) for (const { id } of aggregations) this.#printed.add(id);
      return text === undefined ? defaultText(snapshots, this.#settings) : text.text(snapshots);
    };
  }

  /** The snapshots that one printa() shows: one for each distinct aggregation, the oldest that no printa() of this record has taken. */
  #snapshotsOf(aggregations: readonly AggregationDescriptor[]): Snapshot[] {
    const distinct = new Map<number, Snapshot>();
    for (const aggregation of aggregations) {
      const { id } = aggregation;
      if (distinct.has(id)) continue;
      const number = this.#taken.get(id) ?? 0;
      this.#taken.set(id, number + 1);
      distinct.set(id, this.#snapshots.get(id)?.[number] ?? { aggregation, normalization: 1n, elements: [] });
    }
    return aggregations.map(({ id }) => distinct.get(id)!);
  }

  record({ enabling, record, at, snapshots, next }: RecordEvent): void {
    const line = this.#lines[enabling.epid];
    if (line === undefined) return;
    if (snapshots !== NO_SNAPSHOTS || this.#taken.size > 0) {
      this.#snapshots = snapshots;
      this.#taken.clear();
    }
    const output = this.#output;
    if (!this.#headed) this.#head();
    if (this.#settings.flow) {
      const cpu = String(record.u32(at + RECORD.CPU)).padStart(CPU_COLUMNS);
      output.add(`${cpu} ${this.#flow.name(enabling, next).padEnd(FLOW_COLUMNS)} `);
    } else if (!this.#settings.quiet) {
      const cpu = record.u32(at + RECORD.CPU);
      output.add(line.rows[cpu] ?? addRow(line, cpu, enabling));
    }
    const { steps } = line;
    for (let i = 0; i < steps.length; i++) output.add(steps[i]!(record, at));
    if (!this.#settings.quiet) output.add('\n');
  }

  #head(): void {
    this.#headed = true;
    if (this.#settings.flow) this.#output.add(`${'CPU'.padStart(CPU_COLUMNS)} ${'FUNCTION'.padEnd(FLOW_COLUMNS)}\n`);
    else if (!this.#settings.quiet) {
      this.#output.add(`${'CPU'.padStart(CPU_COLUMNS)} ${'ID'.padStart(ID_COLUMNS)} ${'FUNCTION:NAME'.padStart(NAME_COLUMNS)}\n`);
    }
  }

  fault(fault: Fault, enabling: EpidDescriptor | undefined): void {
    if (enabling !== undefined) this.failed(faultText(fault, enabling.probe));
  }

  drops(kind: DropKind, count: number): void {
    this.failed(dropText(kind, count, isSet(this.#settings.options, 'droptags')));
  }

  /** What was traced before it is written first. */
  failed(text: string): void {
    this.#output.flush();
    this.#host.errors.add(`${this.#host.command}: ${text}\n`);
    this.#host.errors.flush();
  }

  end(aggregations: readonly Snapshot[]): void {
    const left = aggregations.filter(({ aggregation }) => !this.#printed.has(aggregation.id));
    this.#output.add(`\n${finalText(left, this.#settings)}`);
    this.#output.end();
    this.#host.errors.end();
  }

  flush(): void {
    this.#output.flush();
    this.#host.errors.flush();
  }
}

function addRow(line: Line, cpu: number, { probe }: EpidDescriptor): string {
  const name = byteString(`${probe.func}:${probe.name}`);
  const row = `${String(cpu).padStart(CPU_COLUMNS)} ${String(probe.id).padStart(ID_COLUMNS)} ${name.padStart(NAME_COLUMNS)} `;
  line.rows[cpu] = row;
  return row;
}

/** A datum that stands for itself: by what it is, whatever action recorded it. */
function dataStep(datum: DatumDescriptor, settings: Settings): Step {
  const { symbols } = settings;
  switch (dynamicKind(datum)) {
    case 'stack':
    case 'ustack':
      return (record, at) => stackText(record, at, datum, symbols, settings.stackIndent);
    case 'sym':
    case 'mod':
    case 'func':
    case 'usym':
    case 'umod':
    case 'ufunc':
      return (record, at) => symbolField(record, at, datum, symbols);
    default:
      return (record, at) => traceText(record, at, datum, settings.quiet, settings.raw);
  }
}

/** tracemem(): the bytes, of which a second datum says how many are shown. */
function memoryStep({ data, size }: ActionDescriptor): Step | undefined {
  const counts = data.filter((datum) => dynamicKind(datum) === undefined && isIntegerSize(datum.bytes));
  const memory = data.length > 1 ? (data.find((datum) => !counts.includes(datum)) ?? data[0]) : data[0];
  if (memory === undefined) return undefined;
  const shown = counts.find((datum) => datum !== memory);
  const bytes = Math.min(size ?? memory.bytes, memory.bytes);
  return (record, at) => {
    const wanted = shown === undefined ? 0n : BigInt.asUintN(64, readDatum(record, at, shown));
    return dump(record, at + memory.offset, wanted === 0n || wanted > BigInt(bytes) ? bytes : Number(wanted));
  };
}
