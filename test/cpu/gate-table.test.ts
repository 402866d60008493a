/** Gates of every kind, to every kind of code and stack, from every level, against the model of test/cpu/model/gates.ts. */
import process from 'node:process';
import { test } from 'uvu';
import { type CallCase, callGate, GOOD_CALL } from './model/call-gate-cases.ts';
import { combinations, range } from './model/combinations.ts';
import { type Case, CODE_AT, GateBench, GOOD, interrupt, SOURCES, STACK_AT, sourceCode, TARGET } from './model/gate-cases.ts';
import { INNER_STACK, type Mode, USER_STACK } from './model/machine.ts';
import { LEVELS, type Level } from './model/segment-cases.ts';

const MODES: readonly Mode[] = ['prot32', 'vm86', 'compat', 'long'];
const NOWHERE = 0x9000_0000_0000;
const BYTES = range(0, 256);
let total = 0;

const isLong = (mode: Mode): boolean => mode === 'long' || mode === 'compat';
const goodCode = (mode: Mode): number => (isLong(mode) ? 0x20_9b00 : 0x40_9b00);
/** L and D of a code segment. */
const codeFlags = (mode: Mode): readonly number[] => (isLong(mode) ? [0x20_0000, 0x40_0000, 0x60_0000, 0] : [0x40_0000, 0]);

function counted(name: string, mode: Mode, run: (bench: GateBench) => void): void {
  test(`gates: ${name}, ${mode}`, () => {
    const bench = new GateBench(mode);
    run(bench);
    total += bench.cases;
    process.stdout.write(`${name}: ${bench.cases} cases, ${total} so far\n`);
  });
}

/** Interrupts and exceptions of every source from these levels: what `cases` says of each level. */
function interrupts(bench: GateBench, levels: readonly Level[], cases: (cpl: Level) => Iterable<Partial<Case>>, sources = SOURCES): void {
  for (const { source, cpl } of combinations({ source: sources, cpl: levels })) {
    bench.choose(sourceCode(source, bench.mode), cpl);
    for (const c of cases(cpl)) interrupt(bench, { ...GOOD, codeHigh: goodCode(bench.mode), ...c, source });
  }
}

function calls(bench: GateBench, call: boolean, levels: readonly Level[], cases: (cpl: Level) => Iterable<Partial<CallCase>>): void {
  for (const cpl of levels) {
    bench.choose(call ? 'ff 1b' : 'ff 2b', cpl);
    for (const c of cases(cpl)) callGate(bench, { ...GOOD_CALL, codeHigh: goodCode(bench.mode), ...c, call });
  }
}

/** Code and a stack of a level between 0 and `cpl`. */
function* inner(mode: Mode, cpl: Level): Generator<Partial<Case> & { level: number }> {
  for (let level = 1; level < cpl; level++) {
    yield { level, codeHigh: goodCode(mode) | (level << 13), stackSelector: STACK_AT | level, stackHigh: 0x40_9302 | (level << 13) };
  }
}

/** Every descriptor as the stack of a level, selectors of every kind, and TSSs that end around it. */
function* stacks(level: number): Generator<Partial<Case>> {
  for (const { access, rpl } of combinations({ access: BYTES, rpl: range(0, 4) })) {
    yield { stackSelector: STACK_AT | rpl, stackHigh: 0x40_0002 | (access << 8) };
  }
  for (const stackSelector of [0, 1, 2, 3, 0xff8 | level, 0xff0c | level]) yield { stackSelector };
  for (const tssLimit of range(5, 32)) yield { tss16: true, innerSp: 0x7000, tssLimit };
  // The handlers' own stack must be there.
  for (const tssLimit of range(9, 32)) yield { tssLimit };
}

/** Stacks with just enough room for a frame of an interrupt, or not, and handlers just within their segment, or not. */
function* rooms(level: number): Generator<Partial<Case>> {
  for (const { flags, access, stackLimit } of combinations({
    flags: [0x40_0000, 0],
    access: [0x93, 0x97],
    stackLimit: [0xff, 0xfff, 0x7ff0, 0xffff],
  })) {
    const stackHigh = flags | (access << 8) | (level << 13) | 2;
    for (const { edge, d, codeLimit } of combinations({
      edge: [stackLimit + 1, 26, 0x1_0000],
      d: range(-26, 27),
      codeLimit: [0xffff, TARGET - 1, TARGET],
    })) {
      const innerSp = edge + d;
      // Whether a frame may wrap at 64 KiB is not said.
      if (flags === 0 && (innerSp < 24 || innerSp >= 0x1_0000)) continue;
      yield { stackHigh, stackLimit, innerSp, codeLimit };
    }
  }
}

/** The same for CALL, with every number of parameters. */
function* parameters(level: number, width: number): Generator<Partial<CallCase>> {
  for (const count of range(0, 32)) {
    const bytes = (4 + count) * width;
    for (const { access, stackLimit, codeLimit, d, k } of combinations({
      access: [0x93, 0x97],
      stackLimit: [0xff, 0xfff, 0xffff],
      codeLimit: [0xffff, TARGET - 1],
      d: [-1, 0, 1],
      k: [0, 1, 2],
    })) {
      const innerSp = [bytes, stackLimit + 1, stackLimit + bytes + 1][k] as number;
      yield { count, stackHigh: 0x40_0002 | (access << 8) | (level << 13), stackLimit, innerSp: innerSp + d, codeLimit };
    }
  }
}

/** Interrupt stacks, their place in the TSS, targets and stacks that are not canonical. */
function* interruptStacks(cpl: Level): Generator<Partial<Case>> {
  for (const { level, gateAccess, ist } of combinations({ level: range(0, cpl + 1), gateAccess: [0xee, 0xef], ist: range(0, 8) })) {
    // The stack of level 0 without IST is the handlers', too.
    if (ist === 0 && level === 0 && cpl > 0) continue;
    const c = { gateAccess, ist, codeHigh: 0x20_9b00 | (level << 13) };
    const top = level === 3 ? USER_STACK - 0x400 : INNER_STACK;
    for (const { innerSp, target } of combinations({
      innerSp: [top - 16, top - 15, top - 2, top - 1, NOWHERE],
      target: [TARGET, NOWHERE],
    })) {
      yield { ...c, innerSp, target };
    }
    const end = ist > 0 ? 28 + 8 * ist + 7 : 4 + 8 * level + 7;
    for (const tssLimit of [end - 1, end, end + 1]) yield { ...c, innerSp: top, tssLimit };
  }
}

function* within<T extends object, U extends object>(base: T, cases: Iterable<U>): Generator<T & U> {
  for (const c of cases) yield { ...base, ...c };
}

for (const mode of MODES) {
  const levels = mode === 'vm86' ? ([3] as const) : LEVELS;
  counted('every access byte of a gate', mode, (bench) => interrupts(bench, levels, () => combinations({ gateAccess: BYTES })));
  counted("every access byte of the handler's code segment", mode, (bench) =>
    interrupts(bench, levels, function* () {
      const gateAccess = isLong(mode) ? [0xee, 0xef] : [0xee, 0xef, 0xe6, 0xe7];
      for (const c of combinations({ gateAccess, flags: codeFlags(mode), access: BYTES })) {
        yield { gateAccess: c.gateAccess, codeHigh: c.flags | (c.access << 8) };
      }
    }),
  );
}

counted('every stack segment of the inner levels, room on it, and the limit of the handler', 'prot32', (bench) =>
  interrupts(
    bench,
    [2, 3],
    function* (cpl) {
      for (const c of inner('prot32', cpl)) {
        for (const gateAccess of [0xee, 0xe6]) {
          yield* within({ ...c, gateAccess }, stacks(c.level));
          yield* within({ ...c, gateAccess }, rooms(c.level));
        }
      }
    },
    // Without an error code, with one, and an event of the outside.
    ['INT n', '#GP', 'interrupt'],
  ),
);

for (const mode of ['compat', 'long'] as const) {
  counted('IST, its place in the TSS, and addresses that are not canonical', mode, (bench) => interrupts(bench, LEVELS, interruptStacks));
}

for (const mode of ['prot32', 'compat', 'long'] as const) {
  const types = isLong(mode) ? [12] : [12, 4];
  for (const call of [true, false]) {
    counted(`${call ? 'CALL' : 'JMP'} through call gates of every level to every code segment`, mode, (bench) =>
      calls(bench, call, LEVELS, function* () {
        for (const { type, high, rpl, upperType } of combinations({
          type: types,
          high: range(0, 8),
          rpl: range(0, 4),
          upperType: isLong(mode) ? range(0, 32) : [0],
        })) {
          yield { gateAccess: (high << 5) | type, rpl, upperType };
        }
        for (const { type, flags, access } of combinations({ type: types, flags: codeFlags(mode), access: BYTES })) {
          yield { gateAccess: 0xe0 | type, codeHigh: flags | (access << 8) };
        }
        for (const { type, codeSelector } of combinations({
          type: types,
          codeSelector: [0, 1, 2, 3, 0xff8, 0xff0c, CODE_AT | 1, CODE_AT | 3],
        })) {
          yield { gateAccess: 0xe0 | type, codeSelector };
        }
      }),
    );
  }
  counted('stacks and parameters of CALL through call gates', mode, (bench) =>
    calls(bench, true, [2, 3], function* (cpl) {
      for (const c of inner(mode, cpl)) {
        for (const type of types) {
          const base = { ...c, gateAccess: 0xe0 | type };
          if (isLong(mode)) {
            yield* within(base, combinations({ tssLimit: range(11, 32) }));
            yield* within(base, combinations({ innerSp: [INNER_STACK, INNER_STACK - 3, NOWHERE], target: [TARGET, NOWHERE] }));
          } else {
            yield* within(base, stacks(c.level));
            yield* within(base, parameters(c.level, type === 12 ? 4 : 2));
          }
        }
      }
    }),
  );
}
test.run();
