/**
 * The record of a clause: which data its actions leave, and where.
 *
 * Data stand in program order, integers at a multiple of their size, all else at a multiple of 8. A clause leaves a record when it has an action that the
 * consumer shows or acts upon; expressions, aggregations and the verdicts on speculations leave none. A clause that only calls speculate() leaves an
 * empty one in the speculation, as in the original.
 *
 * @module
 */
import { RECORD } from '../../arena.ts';
import type { ActionDescriptor, DatumDescriptor } from '../../program.ts';
import { INT, UNSIGNED_LONG } from '../ctype.ts';
import type { Action, ActionName, Clause, Expression } from '../tree.ts';
import type { DynamicType, Type } from '../types.ts';
import { align, alignment, representation } from './representation.ts';

const WORD = 8;

/** One datum, and what is written there. */
export interface Datum extends DatumDescriptor {
  readonly source:
    | { readonly kind: 'value'; readonly expression: Expression }
    /** Bytes at an address. */
    | { readonly kind: 'memory'; readonly expression: Expression }
    | { readonly kind: 'stack'; readonly user: boolean }
    | { readonly kind: 'symbol'; readonly user: boolean; readonly expression: Expression };
}

export interface RecordLayout {
  /** Bytes, header included; 0 = no record. */
  readonly bytes: number;
  /** Data of the actions, in the order of the clause's statements of kind 'action'. */
  readonly actions: readonly (readonly Datum[])[];
  readonly speculative: boolean;
  /** It is put together aside, because other records come before it in the ring. */
  readonly staged: boolean;
}

/** Actions that leave no record by themselves. */
const SILENT: ReadonlySet<ActionName> = new Set(['speculate', 'commit', 'discard', 'stop', 'raise', 'breakpoint', 'panic', 'chill']);

/** Actions that write to the ring while the clause runs. */
const WRITES_RING: ReadonlySet<ActionName> = new Set(['printa', 'commit']);

/** Their arguments decide what they do and are no data. */
const WITHOUT_DATA: ReadonlySet<ActionName> = new Set([...SILENT, 'printa', 'clear', 'trunc', 'normalize', 'denormalize', 'default']);

const bytesType = (what: DynamicType['what'], bytes: number): DynamicType => ({ kind: 'dynamic', what, bytes });

/** The sources of an action's data with their types. */
function sourcesOf(action: Action): readonly { readonly type: Type; readonly source: Datum['source'] }[] {
  const [first] = action.arguments;
  switch (action.name) {
    case 'stack':
      return [{ type: bytesType('stack', (action.size ?? 0) * WORD), source: { kind: 'stack', user: false } }];
    case 'ustack':
    case 'jstack':
      return [{ type: bytesType('ustack', ((action.size ?? 0) + 1) * WORD), source: { kind: 'stack', user: true } }];
    case 'sym':
    case 'mod':
    case 'func':
      return [{ type: bytesType(action.name, WORD), source: { kind: 'symbol', user: false, expression: first as Expression } }];
    case 'usym':
    case 'umod':
    case 'ufunc':
      return [{ type: bytesType(action.name, 2 * WORD), source: { kind: 'symbol', user: true, expression: first as Expression } }];
    case 'uaddr':
      return [{ type: bytesType('bytes', 2 * WORD), source: { kind: 'symbol', user: true, expression: first as Expression } }];
    case 'tracemem': {
      const memory = { type: bytesType('bytes', action.size ?? 0), source: { kind: 'memory', expression: first as Expression } as const };
      const shown = action.arguments[1];
      return shown === undefined ? [memory] : [memory, { type: UNSIGNED_LONG, source: { kind: 'value', expression: shown } }];
    }
    case 'exit':
      return [{ type: INT, source: { kind: 'value', expression: first as Expression } }];
    default:
      if (WITHOUT_DATA.has(action.name)) return [];
      return action.arguments.map((expression) => ({ type: expression.type, source: { kind: 'value', expression } }));
  }
}

/** Bytes and alignment of a datum. */
function roomOf(type: Type, stringBytes: number): { bytes: number; align: number } {
  const rep = representation(type, stringBytes);
  return { bytes: rep.bytes, align: alignment(rep) };
}

/** Lays out the record that a clause leaves. */
export function layOutRecord(clause: Clause, stringBytes: number): RecordLayout {
  let next: number = RECORD.HEADER;
  const actions = clause.statements.filter((statement) => statement.kind === 'action');
  const data = actions.map((action) =>
    sourcesOf(action).map(({ type, source }): Datum => {
      const room = roomOf(type, stringBytes);
      const offset = align(next, room.align);
      next = offset + room.bytes;
      return { offset, bytes: room.bytes, type, source };
    }),
  );
  const speculative = actions.some(({ name }) => name === 'speculate');
  const alone = speculative && clause.statements.length === 1;
  const leaves = alone || actions.some(({ name }) => !SILENT.has(name));
  return {
    bytes: leaves ? align(next, WORD) : 0,
    actions: data,
    speculative,
    staged: leaves && !speculative && actions.some(({ name }) => WRITES_RING.has(name)),
  };
}

/** The description of a clause's actions for the consumer. */
export function describeActions(clause: Clause, layout: RecordLayout): ActionDescriptor[] {
  const actions = clause.statements.filter((statement) => statement.kind === 'action');
  return actions.map((action, i) => ({
    action: action.name,
    line: action.line,
    ...(action.format !== undefined && { format: action.format }),
    data: (layout.actions[i] as readonly Datum[]).map(({ offset, bytes, type }) => ({ offset, bytes, type })),
    ...(action.aggregations !== undefined && { aggregations: action.aggregations.map(({ id }) => id) }),
    ...(action.size !== undefined && { size: action.size }),
  }));
}
