/**
 * Reads a file of expectations (`expect.schema.json`): everything that can be wrong with it is found here, before the guest starts.
 *
 * @module
 */
import { CONSUMERS } from '../../../probes/arena.ts';
import { CauseError, causeNamed } from '../../exit-log/cause-named.ts';
import { WATCH_MAX } from '../../cpu/layout.ts';
import type { Mark } from '../../exit-log/marks.ts';
import { readWhole } from '../../read-whole.ts';
import type { SymbolTable } from '../../symbols.ts';
import { systemErrorText } from '../../system-error.ts';
import { parseSymbols } from '../exit-log-options.ts';
import { PatternError, Selector } from '../kstat-select.ts';
import { UsageError } from '../options.ts';
import { compileD, DError } from './d-program.ts';
import { guestWords, resolved, wordGiven } from './guest-words.ts';
import type { BaselineExpectation, DProgram, Expectation, Input, NamedMark, Plan, Stretch } from './plan.ts';
import { bound, boundText, checkBound, count, duration, number, timeText } from './quantities.ts';
import { nearest, YamlFile, type YamlValue } from './yaml-value.ts';

const KINDS = ['exits', 'reached', 'serial', 'kstat', 'd', 'outcome', 'baseline'] as const;
type Kind = (typeof KINDS)[number];

/** What may stand beside each kind. */
const BESIDE: Readonly<Record<Kind, readonly string[]>> = {
  exits: ['count', 'time', 'between'],
  reached: ['within'],
  serial: ['between'],
  kstat: ['value', 'between'],
  d: ['aggregation', 'key', 'value', 'percentile', 'max', 'min', 'between'],
  outcome: [],
  baseline: [],
};

/** An expectation before it is known where it stands. */
type Said = Expectation extends infer E ? (E extends Expectation ? Omit<E, 'line'> : never) : never;

const WRITE_MARK = '{serial: TEXT}, {port: 0x80, value: 1}, {address: 0x100000} or {symbol: start_kernel}';
const WRITE_EXPECT = `- with one of ${KINDS.join(', ')}`;
const WRITE_INPUT = '{after: MARK, type: "root\\n"} or {after: MARK, press: power}';
const START = 'start';
const END = 'end';

/**
 * Reads a file; `given`: words of `lucid run` that are added to its guest or replace a part of it; `symbols`: a file with names of code, instead of the
 * one that it names. Throws UsageError.
 */
export function readPlan(path: string, given: readonly string[] = [], symbols?: string): Plan {
  let text: string;
  try {
    text = readWhole(path).toString();
  } catch (error) {
    throw new UsageError(`${path}: ${systemErrorText(error)}`);
  }
  return planOf(path, text, given, symbols);
}

/** The same for the text of a file. */
export function planOf(path: string, text: string, given: readonly string[] = [], symbols?: string): Plan {
  return new PlanReader(new YamlFile(path, text)).plan(given, symbols);
}

class PlanReader {
  readonly #file: YamlFile;
  readonly #programs: DProgram[] = [];
  #marks: NamedMark[] = [];
  /** The file with names of code, and what is in it once it was needed. */
  #symbols: string | undefined;
  #table: SymbolTable | undefined;

  constructor(file: YamlFile) {
    this.#file = file;
  }

  plan(given: readonly string[], otherSymbols: string | undefined): Plan {
    const whole = this.#file.root().map(['guest', 'marks', 'input', 'symbols', 'expect'], 'guest: and expect:');
    const [guest, expect] = ['guest', 'expect'].map((key) => {
      const value = whole.get(key);
      if (value === undefined) throw this.#file.wrong(1, `${key}: missing; the file needs guest: and expect:`);
      return value;
    }) as [YamlValue, YamlValue];
    const words = guestWords(guest, given);
    this.#symbols = otherSymbols ?? this.#symbolsOf(whole.get('symbols'), guest, given);
    const marks = whole.get('marks')?.map(undefined, `NAME: ${WRITE_MARK}`) ?? [];
    this.#marks = [...marks].map(([name, value]) => ({ name, mark: this.#mark(name, value) }));
    const addresses = new Set(this.#marks.flatMap(({ mark }) => (mark.kind === 'address' ? [mark.address] : [])));
    if (addresses.size > WATCH_MAX) throw this.#file.wrong(1, `marks: ${addresses.size} addresses; at most ${WATCH_MAX} can be watched`);
    const inputs =
      whole
        .get('input')
        ?.list(WRITE_INPUT)
        .map((item) => this.#input(item)) ?? [];
    const expectations = expect.list(WRITE_EXPECT).map((item) => this.#expectation(item));
    if (expectations.length === 0) throw expect.wrong(`expects nothing; write ${WRITE_EXPECT}`);
    return {
      path: this.#file.path,
      guest: words,
      guestLine: guest.line,
      marks: this.#marks,
      inputs,
      ...(this.#symbols === undefined ? undefined : { symbols: this.#symbols }),
      programs: this.#programs,
      expectations,
    };
  }

  /** Names of code of another kernel mislead: they go when it is replaced, unless they are the kernel's own. */
  #symbolsOf(value: YamlValue | undefined, guest: YamlValue, given: readonly string[]): string | undefined {
    if (value === undefined) return undefined;
    const symbols = resolved(this.#file.path, value.text('a file: an ELF file or System.map'));
    const kernel = wordGiven(given, 'kernel');
    if (kernel === undefined) return symbols;
    const own = guest.map(undefined, '').get('kernel')?.written;
    return own !== undefined && resolved(this.#file.path, own) === symbols ? kernel : undefined;
  }

  #mark(name: string, value: YamlValue): Mark {
    if (name === START || name === END)
      throw this.#file.wrong(value.keyLine, `mark '${name}': is there already, as the ${name} of the run; give another name`);
    const entries = value.map(['serial', 'port', 'value', 'address', 'symbol'], WRITE_MARK);
    const [serial, port, address, symbol] = ['serial', 'port', 'address', 'symbol'].map((key) => entries.get(key));
    if ([serial, port, address, symbol].filter((kind) => kind !== undefined).length !== 1)
      throw value.wrong(`not one mark; write ${WRITE_MARK}`);
    const told = entries.get('value');
    if (told !== undefined && port === undefined) throw told.wrong(`belongs to a port; write ${WRITE_MARK}`);
    // The console is bytes.
    if (serial !== undefined) return { kind: 'serial', text: Buffer.from(serial.text(WRITE_MARK)).toString('latin1') };
    if (port !== undefined) {
      const mark = { kind: 'port', port: number(port, 0xffff, 'port: 0x80') } as const;
      return told === undefined ? mark : { ...mark, value: number(told, 0xffff_ffff, 'value: 1') };
    }
    if (symbol !== undefined) return { kind: 'address', address: this.#symbolAddress(symbol) };
    const text = (address as YamlValue).written;
    if (!/^0x[0-9a-f]{1,16}$/i.test(text)) throw (address as YamlValue).wrong(`'${text}' is not an address; write 0x100000`);
    return { kind: 'address', address: BigInt(text) };
  }

  #symbolAddress(value: YamlValue): bigint {
    const name = value.text('the name of a function');
    if (this.#symbols === undefined) throw value.wrong('whose symbol? write symbols: FILE in this file, an ELF file or a System.map');
    try {
      this.#table ??= parseSymbols(this.#symbols);
    } catch (error) {
      throw error instanceof UsageError ? value.wrong(error.message.replace(/^--/, '')) : error;
    }
    const address = this.#table.address(name);
    if (address !== undefined) return address;
    const near = nearest(name, this.#table.names);
    throw value.wrong(`there is no symbol '${name}' in ${this.#symbols}${near === undefined ? '' : `; did you mean ${near}?`}`);
  }

  #input(item: YamlValue): Input {
    const entries = item.map(['after', 'type', 'press'], WRITE_INPUT);
    const [after, type, press] = ['after', 'type', 'press'].map((key) => entries.get(key));
    if (after === undefined) throw item.wrong(`at which mark? write ${WRITE_INPUT}`);
    if ((type === undefined) === (press === undefined)) throw item.wrong(`not one of type and press; write ${WRITE_INPUT}`);
    if (after.written === END) throw after.wrong('nothing can be typed at the end; write start or the name of a mark');
    const mark = after.written === START ? -1 : this.#markIndex(after);
    if (type !== undefined) return { after: mark, type: type.text('type: "root\\n"') };
    return { after: mark, press: (press as YamlValue).oneOf(['power', 'reset'] as const) };
  }

  #markIndex(value: YamlValue): number {
    const name = value.text('the name of a mark');
    const index = this.#marks.findIndex((mark) => mark.name === name);
    if (index >= 0) return index;
    const names = this.#marks.map((mark) => mark.name);
    const near = nearest(name, names);
    const right =
      near !== undefined ? `did you mean ${near}?` : names.length === 0 ? 'the file has no marks:' : `there is ${names.join(', ')}`;
    throw value.wrong(`there is no mark '${name}'; ${right}`);
  }

  #between(value: YamlValue | undefined): Stretch {
    const last = this.#marks.length;
    if (value === undefined) return { from: 0, to: last, names: [START, END] };
    const ends = value.list('[start, MARK], [MARK, MARK] or [MARK, end]');
    const [a, b] = ends;
    if (a === undefined || b === undefined || ends.length !== 2)
      throw value.wrong('not two marks; write [start, MARK], [MARK, MARK] or [MARK, end]');
    const from = a.written === START ? 0 : this.#markIndex(a) + 1;
    const to = b.written === END ? last : this.#markIndex(b);
    if (from > to) throw value.wrong(`'${b.written}' does not come after '${a.written}' in marks:; marks come in their order`);
    return { from, to, names: [a.written, b.written] };
  }

  #expectation(item: YamlValue): Expectation {
    const all = item.map(undefined, WRITE_EXPECT);
    const kinds = KINDS.filter((kind) => all.has(kind));
    const [kind] = kinds;
    if (kind === undefined) {
      for (const [key, value] of all) {
        const near = nearest(key, KINDS);
        if (near !== undefined && key !== 'name') throw this.#file.wrong(value.keyLine, `'${key}' is unknown here; did you mean ${near}?`);
      }
      throw item.wrong(`says nothing that can be checked; write one of ${KINDS.join(', ')}`);
    }
    if (kinds.length > 1) throw item.wrong(`${kinds.join(' and ')} in one expectation; write one for each`);
    const entries = item.map(['name', kind, ...BESIDE[kind]], WRITE_EXPECT);
    const { line } = item;
    const { name, ...said } = this.#said(kind, entries.get(kind) as YamlValue, entries);
    return { ...said, name: entries.get('name')?.text('a name') ?? name, line } as Expectation;
  }

  #said(kind: Kind, value: YamlValue, entries: ReadonlyMap<string, YamlValue>): Said {
    switch (kind) {
      case 'exits':
        return this.#exits(value, entries);
      case 'reached':
        return this.#reached(value, entries.get('within'));
      case 'serial':
        return this.#serial(value, entries.get('between'));
      case 'kstat':
        return kstat(value, entries.get('value'), this.#between(entries.get('between')));
      case 'd':
        return this.#d(value, entries);
      case 'outcome':
        return outcome(value);
      case 'baseline':
        return baseline(value);
    }
  }

  #exits(value: YamlValue, entries: ReadonlyMap<string, YamlValue>): Said {
    const [counted, timed] = [entries.get('count'), entries.get('time')];
    if (counted === undefined && timed === undefined) throw value.wrong('no limit; write count: {max: 20} or time: {max: 2ms} beside it');
    try {
      const what = causeNamed(value.text('a reason or a cause'));
      const [count, time] = [counted && bound(counted, 'count'), timed && bound(timed, 'duration')];
      const between = this.#between(entries.get('between'));
      const limits = [count && boundText(count), time && `${boundText(time, timeText)} of time`].filter((text) => text !== undefined);
      const name = `exits ${what.text}: ${limits.join(', ')}${stretchText(between)}`;
      return { kind: 'exits', name, what, count, time, between };
    } catch (error) {
      if (error instanceof CauseError) throw value.wrong(error.message);
      throw error;
    }
  }

  #reached(value: YamlValue, within: YamlValue | undefined): Said {
    const mark = this.#markIndex(value);
    const limits = within?.map(['instructions', 'time', 'exits'], '{instructions: 900M, time: 2s}');
    const [instructions, time, exits] = ['instructions', 'time', 'exits'].map((key) => limits?.get(key));
    const parts = [...(limits ?? [])].map(([key, { written }]) => `${written}${key === 'time' ? '' : ` ${key}`}`);
    return {
      kind: 'reached',
      name: `reached ${value.written}${parts.length === 0 ? '' : ` within ${parts.join(', ')}`}`,
      mark,
      instructions: instructions && count(instructions),
      timeNs: time && duration(time),
      exits: exits && count(exits),
    };
  }

  #serial(value: YamlValue, between: YamlValue | undefined): Said {
    const write = '{contains: TEXT}, {lacks: TEXT} or {matches: REGEX}';
    const entries = [...value.map(['contains', 'lacks', 'matches'], write)];
    const [first] = entries;
    if (first === undefined || entries.length > 1) throw value.wrong(`not one of them; write ${write}`);
    const [how, said] = first;
    const text = said.text(write);
    const stretch = this.#between(between);
    const common = { kind: 'serial', name: `serial ${how} '${text}'${stretchText(stretch)}`, between: stretch } as const;
    if (how !== 'matches') return { ...common, [how]: text };
    try {
      return { ...common, matches: new RegExp(text, 'm') };
    } catch (error) {
      throw said.wrong(`'${text}' is not a regular expression (${(error as Error).message.replace(/^.*: /, '')})`);
    }
  }

  #d(value: YamlValue, entries: ReadonlyMap<string, YamlValue>): Said {
    const between = this.#between(entries.get('between'));
    const program = this.#program(value, between);
    const given = entries.get('aggregation');
    if (given === undefined) throw value.wrong('of which aggregation? write aggregation: "@name" beside it');
    const aggregation = `@${given.text('"@name"').replace(/^@/, '')}`;
    const { aggregations } = (this.#programs[program] as DProgram).compiled.descriptor;
    const found = aggregations.find((a) => `@${a.name}` === aggregation);
    if (found === undefined)
      throw given.wrong(`the program has no ${aggregation}; there is ${aggregations.map((a) => `@${a.name}`).join(', ') || 'none'}`);
    const key = entries.get('key');
    const percent = entries.get('percentile');
    const isDistribution = /quantize$/.test(found.func.name);
    if (percent === undefined && isDistribution)
      throw given.wrong(`${aggregation} is a distribution (${found.func.name}); write percentile: 99 with max: or min:`);
    if (percent !== undefined && !isDistribution)
      throw percent.wrong(`${aggregation} is ${found.func.name}(), no distribution; write value: {max: 20}`);
    const limits = percent === undefined ? this.#dValue(value, entries) : this.#dPercentile(percent, entries);
    const keys = key === undefined ? undefined : key.isList ? key.list('[KEY, ...]').map((k) => k.written) : [key.written];
    const what = `d ${aggregation}${keys === undefined ? '' : `[${keys.join(', ')}]`}`;
    return {
      kind: 'd',
      name: `${what}${percent === undefined ? '' : ` p${percent.written}`}: ${boundText(limits)}${stretchText(between)}`,
      program,
      aggregation: `@${found.name}`,
      key: keys,
      percentile: percent && Number(percent.written),
      value: limits,
      between,
    };
  }

  #dValue(value: YamlValue, entries: ReadonlyMap<string, YamlValue>) {
    const limits = entries.get('value');
    const beside = entries.get('max') ?? entries.get('min');
    if (beside !== undefined) throw beside.wrong('belongs to a percentile; write value: {max: 20}');
    if (limits === undefined) throw value.wrong('no limit; write value: {max: 20} beside it, or percentile: 99 with max: 2ms');
    return bound(limits, 'measure');
  }

  #dPercentile(percent: YamlValue, entries: ReadonlyMap<string, YamlValue>) {
    if (!/^\d+(\.\d+)?$/.test(percent.written) || !(Number(percent.written) > 0 && Number(percent.written) <= 100))
      throw percent.wrong(`'${percent.written}' is not a percentile; write a number above 0, at most 100`);
    const beside = entries.get('value');
    if (beside !== undefined) throw beside.wrong('not beside a percentile; write max: 2ms or min:');
    const [max, min] = [entries.get('max'), entries.get('min')].map((limit) => limit && (bound(limit, 'measure').is as number));
    const limits = { ...(max === undefined ? undefined : { max }), ...(min === undefined ? undefined : { min }) };
    checkBound(percent, limits, 'max: 2ms beside it');
    return limits;
  }

  /** Several expectations may be of one program in one stretch. */
  #program(value: YamlValue, between: Stretch): number {
    const text = value.text('a D program');
    const known = this.#programs.findIndex(
      (program) => program.text === text && program.between.from === between.from && program.between.to === between.to,
    );
    if (known >= 0) return known;
    if (this.#programs.length === CONSUMERS)
      throw value.wrong(`one program too many: a run has room for ${CONSUMERS}, each in one stretch; put several clauses into one program`);
    try {
      return this.#programs.push({ text, compiled: compileD(text), between }) - 1;
    } catch (error) {
      if (!(error instanceof DError)) throw error;
      throw this.#file.wrong(Math.min(value.textLine + error.line - 1, value.lastLine), `d: ${error.message}`);
    }
  }
}

function stretchText({ names: [from, to] }: Stretch): string {
  return from === START && to === END ? '' : ` between ${from} and ${to}`;
}

function kstat(value: YamlValue, limits: YamlValue | undefined, between: Stretch): Said {
  const selector = value.text('module:instance:name:statistic');
  const write = "write module:instance:name:statistic, such as 'virtio_blk:0:*:reads'";
  if (selector.split(':').length !== 4) throw value.wrong(`'${selector}' is not a statistic; ${write}`);
  try {
    Selector.parse(selector);
  } catch (error) {
    if (error instanceof PatternError) throw value.wrong(error.message);
    throw error;
  }
  if (limits === undefined) throw value.wrong('no limit; write value: {max: 20} beside it');
  const allowed = bound(limits, 'measure');
  return { kind: 'kstat', name: `kstat ${selector}: ${boundText(allowed)}${stretchText(between)}`, selector, value: allowed, between };
}

function outcome(value: YamlValue): Said {
  const text = value.text('power-off, debug-exit N, limit, or died');
  if (!/^(power-off|died|limit|limit (insns|time|wall)|debug-exit( \d+)?)$/.test(text))
    throw value.wrong(`'${text}' is no way in which a run ends; there is power-off, debug-exit, debug-exit 0, limit, limit time, died`);
  return { kind: 'outcome', name: `outcome ${text}`, outcome: text };
}

function baseline(value: YamlValue): Said {
  const write = '{new-causes: none}, {counts: exact} or {counts: 5%}';
  const entries = value.map(['new-causes', 'counts'], write);
  const [causes, counts] = [entries.get('new-causes'), entries.get('counts')];
  if (causes === undefined && counts === undefined) throw value.wrong(`compares nothing; write ${write}`);
  const percent = /^(\d+(?:\.\d+)?)\s*%$/.exec(counts?.written ?? '')?.[1];
  if (counts !== undefined && counts.written !== 'exact' && percent === undefined)
    throw counts.wrong(`'${counts.written}' is no tolerance; write exact, or 5%`);
  const said: Omit<BaselineExpectation, 'line' | 'name'> = {
    kind: 'baseline',
    newCauses: causes?.oneOf(['none', 'any'] as const) ?? 'any',
    tolerance: counts === undefined ? undefined : Number(percent ?? 0),
  };
  const parts = [causes && `new causes ${causes.written}`, counts && `counts ${counts.written}`].filter((part) => part !== undefined);
  return { ...said, name: `baseline: ${parts.join(', ')}` };
}
