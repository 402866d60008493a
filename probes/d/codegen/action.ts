/**
 * Actions: what a clause records, and what it asks of the tracer.
 *
 * @module
 */
import { I32 } from '../../../vmm/wasm/asm.ts';
import { OP } from '../../../vmm/wasm/opcode.ts';
import { ASK } from '../../arena.ts';
import type { Action, Expression } from '../tree.ts';
import { type Code, PARAMETER } from './code.ts';
import { value } from './expression.ts';
import { isLvalue, locate, pushAddress, releaseLocation } from './location.ts';
import { PROBE_RECORD } from './module.ts';
import type { Datum, RecordLayout } from './record.ts';
import { emitStore, representation } from './representation.ts';
import { frames, stackInto, symbol } from './stack.ts';

/** The record of the clause in the making. */
export interface RecordInProgress {
  readonly layout: RecordLayout;
  /** Local (i32) that holds its place. */
  readonly place: number;
  /** Local (i64) that holds the speculation it goes to; -1 = none. */
  speculation: number;
}

/** Writes the data of an action. Each is an action of its own for faults. */
export function recordData(code: Code, record: RecordInProgress, data: readonly Datum[]): void {
  data.forEach((datum, i) => {
    if (i > 0) code.nextAction();
    recordDatum(code, record, datum);
  });
}

function recordDatum(code: Code, { place }: RecordInProgress, datum: Datum): void {
  const { asm } = code;
  const { source, offset, bytes } = datum;
  const pushPlace = (): void => asm.get(place);
  switch (source.kind) {
    case 'value':
      recordValue(code, place, datum, source.expression);
      break;
    case 'memory':
      recordBlock(code, place, datum, () => value(code, source.expression));
      break;
    case 'stack':
      frames(code, source.user, bytes, pushPlace, offset);
      break;
    case 'symbol':
      symbol(code, source.expression, source.user, pushPlace, offset);
      break;
  }
}

function pushTarget({ asm }: Code, place: number, offset: number): void {
  asm.get(place);
  asm.i32(offset);
  asm.op(OP.i32Add);
}

function recordBlock(code: Code, place: number, { offset, bytes }: Datum, pushAddressOf: () => void): void {
  pushTarget(code, place, offset);
  pushAddressOf();
  code.asm.i32(bytes);
  code.callChecked('copyBytes');
  code.asm.op(OP.drop);
}

function recordValue(code: Code, place: number, datum: Datum, e: Expression): void {
  const { asm } = code;
  const { offset, bytes } = datum;
  if (e.op === 'dynamic') {
    stackInto(code, e, bytes, () => asm.get(place), offset);
    return;
  }
  const rep = representation(datum.type, code.module.variables.stringBytes);
  switch (rep.kind) {
    case 'scalar':
      asm.get(place);
      value(code, e);
      emitStore(asm, rep.bytes, offset);
      break;
    case 'text':
      pushTarget(code, place, offset);
      value(code, e);
      asm.i32(bytes);
      code.callChecked('copyText');
      asm.op(OP.drop);
      break;
    case 'block':
      recordBlock(code, place, datum, () => pushBlock(code, e));
      break;
  }
}

/** Pushes the address of a structure, an array or a long double. */
function pushBlock(code: Code, e: Expression): void {
  if (!isLvalue(e) || (e.op === 'variable' && e.keys !== undefined)) {
    value(code, e);
    return;
  }
  const location = locate(code, e, false);
  pushAddress(code, location);
  releaseLocation(code, location);
}

/** Lowers one action. */
export function action(code: Code, a: Action, record: RecordInProgress, data: readonly Datum[]): void {
  const { asm } = code;
  code.nextAction();
  switch (a.name) {
    case 'exit':
      exit(code, record, data);
      return;
    case 'printa':
      for (const { id } of a.aggregations ?? []) {
        asm.i32(id);
        code.call('snapshot');
        code.leaveIfZero();
      }
      return;
    case 'clear':
    case 'trunc':
    case 'normalize':
    case 'denormalize':
      changeAggregations(code, a);
      return;
    case 'speculate':
      speculate(code, a, record);
      return;
    case 'commit':
    case 'discard':
      value(code, a.arguments[0] as Expression);
      code.callChecked(a.name === 'commit' ? 'commitSpeculation' : 'discard');
      return;
    case 'chill':
      value(code, a.arguments[0] as Expression);
      code.call('chill');
      return;
    case 'stop':
    case 'raise':
      asm.i32(ASK.PAUSE);
      code.call('ask');
      return;
    case 'breakpoint':
    case 'panic':
      asm.i32(ASK.MONITOR);
      code.call('ask');
      return;
    default:
      recordData(code, record, data);
  }
}

/** The clause ends here when the program is ending already; END alone may set another status then. */
function exit(code: Code, record: RecordInProgress, data: readonly Datum[]): void {
  const { asm } = code;
  code.needs.exits = true;
  recordData(code, record, data);
  asm.get(record.place);
  asm.mem(OP.i32Load, (data[0] as Datum).offset);
  pushIsEnd(code);
  code.call('exit');
  code.leaveIfZero();
}

function isEnd(code: Code, index: number): boolean {
  const probe = code.probes[index];
  return probe?.provider === 'dtrace' && probe.name === 'END';
}

/** Pushes whether the probe that fires is END. */
function pushIsEnd(code: Code): void {
  const { asm, module, probes } = code;
  const ends = probes.filter((_, i) => isEnd(code, i));
  const [end] = ends;
  if (end === undefined || ends.length === probes.length) {
    asm.i32(end === undefined ? 0 : 1);
    return;
  }
  asm.globalGet(module.arena);
  asm.get(PARAMETER.PROBE);
  asm.op(OP.i32Add);
  asm.mem(OP.i32Load, PROBE_RECORD.ID);
  asm.i32(end.id);
  asm.op(OP.i32Eq);
}

function changeAggregations(code: Code, a: Action): void {
  const { asm } = code;
  const [argument] = a.arguments;
  // trunc(@) keeps nothing, denormalize(@) divides by 1.
  if (argument !== undefined) value(code, argument);
  else asm.i64(a.name === 'denormalize' ? 1 : 0);
  const operand = code.keep();
  for (const { id } of a.aggregations ?? []) {
    asm.i32(id);
    if (a.name === 'clear') code.call('clear');
    else {
      asm.get(operand);
      code.call(a.name === 'trunc' ? 'trunc' : 'normalize');
    }
  }
  asm.release(operand);
}

/** From here on the clause's data go to a speculation. */
function speculate(code: Code, a: Action, record: RecordInProgress): void {
  const { asm } = code;
  value(code, a.arguments[0] as Expression);
  record.speculation = code.keep();
  asm.get(record.speculation);
  asm.get(PARAMETER.EPID);
  asm.i32(record.layout.bytes);
  code.callChecked('speculate');
  code.withLocal(I32, (place) => {
    asm.get(place);
    code.leaveIfZero();
    asm.get(place);
    asm.set(record.place);
  });
}
