/** Gates of every kind, to every kind of code and stack, from every level, against the model of test/cpu/model/gates.ts. */
import process from 'node:process';
import { test } from 'uvu';
import { CODE_AT, GateBench, GOOD, interrupt, SOURCES, sourceCode, STACK_AT, TARGET } from './model/gate-cases.ts';
import { callGate, GOOD_CALL } from './model/call-gate-cases.ts';
import { INNER_STACK, type Mode, USER_STACK } from './model/machine.ts';
import { LEVELS } from './model/segment-cases.ts';

const MODES: readonly Mode[] = ['prot32', 'vm86', 'compat', 'long'];
let total = 0;

function counted(name: string, mode: Mode, run: (bench: GateBench) => void): void {
  test(`${name}, ${mode}`, () => {
    const bench = new GateBench(mode);
    run(bench);
    total += bench.cases;
    process.stdout.write(`${name}: ${bench.cases} cases, ${total} so far\n`);
  });
}

function callGates(mode: Mode, long: boolean): void {
  const types = long ? [12] : [12, 4];
  const flags = long ? [0x20_0000, 0x40_0000, 0x60_0000, 0] : [0x40_0000, 0];
  for (const call of [true, false]) {
    const name = call ? 'CALL' : 'JMP';
    const code = call ? 'ff 1b' : 'ff 2b';
    const codeHigh = long ? 0x20_9b00 : 0x40_9b00;
    counted(`gates: ${name} through call gates of every level to every code segment`, mode, (bench) => {
      for (const cpl of LEVELS) {
        bench.choose(code, cpl);
        for (const type of types) {
          for (let high = 0; high < 16; high += 2) {
            for (let rpl = 0; rpl < 4; rpl++) {
              const gateAccess = (high << 4) | type;
              callGate(bench, { ...GOOD_CALL, call, codeHigh, gateAccess, rpl });
              if (long)
                for (let upperType = 1; upperType < 32; upperType++)
                  callGate(bench, { ...GOOD_CALL, call, codeHigh, gateAccess, rpl, upperType });
            }
          }
          for (const flag of flags) {
            for (let access = 0; access < 256; access++) {
              callGate(bench, { ...GOOD_CALL, call, gateAccess: 0xe0 | type, codeHigh: flag | (access << 8) });
            }
          }
          for (const codeSelector of [0, 1, 2, 3, 0xff8, 0xff0c, CODE_AT | 1, CODE_AT | 3]) {
            callGate(bench, { ...GOOD_CALL, call, gateAccess: 0xe0 | type, codeHigh, codeSelector });
          }
        }
      }
    });
  }
  counted('gates: stacks and parameters of CALL through call gates', mode, (bench) => {
    for (const cpl of [2, 3] as const) {
      bench.choose('ff 1b', cpl);
      for (let level = 1; level < cpl; level++) {
        const codeHigh = (long ? 0x20_9b00 : 0x40_9b00) | (level << 13);
        const good = { ...GOOD_CALL, codeHigh, stackSelector: STACK_AT | level, stackHigh: 0x40_9302 | (level << 13) };
        for (const type of types) {
          const c = { ...good, gateAccess: 0xe0 | type };
          if (!long) for (let tssLimit = 5; tssLimit < 32; tssLimit++) callGate(bench, { ...c, tss16: true, innerSp: 0x7000, tssLimit });
          for (let tssLimit = long ? 11 : 9; tssLimit < 32; tssLimit++) callGate(bench, { ...c, tssLimit });
          if (long) {
            for (const innerSp of [INNER_STACK, INNER_STACK - 3, 0x9000_0000_0000]) {
              for (const target of [TARGET, 0x9000_0000_0000]) callGate(bench, { ...c, innerSp, target });
            }
            continue;
          }
          for (let access = 0; access < 256; access++) {
            for (let rpl = 0; rpl < 4; rpl++)
              callGate(bench, { ...c, stackSelector: STACK_AT | rpl, stackHigh: 0x40_0002 | (access << 8) });
          }
          for (const stackSelector of [0, 1, 2, 3, 0xff8 | level, 0xff0c | level]) callGate(bench, { ...c, stackSelector });
          for (let count = 0; count < 32; count++) {
            const bytes = (4 + count) * (type === 12 ? 4 : 2);
            for (const access of [0x93, 0x97]) {
              for (const stackLimit of [0xff, 0xfff, 0xffff]) {
                for (const innerSp of [
                  bytes - 1,
                  bytes,
                  bytes + 1,
                  stackLimit,
                  stackLimit + 1,
                  stackLimit + 2,
                  stackLimit + bytes,
                  stackLimit + bytes + 1,
                  stackLimit + bytes + 2,
                ]) {
                  for (const codeLimit of [0xffff, TARGET - 1]) {
                    callGate(bench, { ...c, count, stackHigh: 0x40_0002 | (access << 8) | (level << 13), stackLimit, innerSp, codeLimit });
                  }
                }
              }
            }
          }
        }
      }
    }
  });
}

for (const mode of MODES) {
  const levels = mode === 'vm86' ? ([3] as const) : LEVELS;
  const long = mode === 'long' || mode === 'compat';
  const codes = long ? [0x20_0000, 0x40_0000, 0x60_0000, 0] : [0x40_0000, 0];
  counted('gates: every access byte of a gate', mode, (bench) => {
    for (const source of SOURCES) {
      for (const cpl of levels) {
        bench.choose(sourceCode(source, mode), cpl);
        for (let gateAccess = 0; gateAccess < 256; gateAccess++) {
          interrupt(bench, { ...GOOD, source, gateAccess, codeHigh: long ? 0x20_9b00 : 0x40_9b00 });
        }
      }
    }
  });
  counted("gates: every access byte of the handler's code segment", mode, (bench) => {
    for (const source of SOURCES) {
      for (const cpl of levels) {
        bench.choose(sourceCode(source, mode), cpl);
        for (const gateAccess of long ? [0xee, 0xef] : [0xee, 0xef, 0xe6, 0xe7]) {
          for (const flags of codes) {
            for (let access = 0; access < 256; access++) {
              interrupt(bench, { ...GOOD, source, gateAccess, codeHigh: flags | (access << 8) });
            }
          }
        }
      }
    }
  });
  if (mode === 'prot32') {
    counted('gates: every stack segment of the inner levels, room on it, and the limit of the handler', mode, (bench) => {
      for (const source of SOURCES) {
        for (const cpl of [2, 3] as const) {
          bench.choose(sourceCode(source, mode), cpl);
          for (let level = 1; level < cpl; level++) {
            const codeHigh = 0x40_9b00 | (level << 13);
            const c = { ...GOOD, source, codeHigh, stackSelector: STACK_AT | level, stackHigh: 0x40_9302 | (level << 13) };
            for (const gateAccess of [0xee, 0xe6]) {
              for (let access = 0; access < 256; access++) {
                for (let rpl = 0; rpl < 4; rpl++) {
                  interrupt(bench, { ...c, gateAccess, stackSelector: STACK_AT | rpl, stackHigh: 0x40_0002 | (access << 8) });
                }
              }
              for (const stackSelector of [0, 1, 2, 3, 0xff8 | level, 0xff0c | level])
                interrupt(bench, { ...c, gateAccess, stackSelector });
              for (let tssLimit = 5; tssLimit < 32; tssLimit++)
                interrupt(bench, { ...c, gateAccess, tss16: true, innerSp: 0x7000, tssLimit });
              for (let tssLimit = 9; tssLimit < 32; tssLimit++) interrupt(bench, { ...c, gateAccess, tssLimit });
              for (const flags of [0x40_0000, 0]) {
                for (const access of [0x93, 0x97]) {
                  const stackHigh = flags | (access << 8) | (level << 13) | 2;
                  for (const stackLimit of [0xff, 0xfff, 0x7ff0, 0xffff]) {
                    for (let d = -26; d <= 26; d++) {
                      for (const edge of [stackLimit + 1, 26, 0x1_0000]) {
                        const innerSp = edge + d;
                        // Whether a frame may wrap at 64 KiB is not said.
                        if (flags === 0 && (innerSp < 24 || innerSp >= 0x1_0000)) continue;
                        for (const codeLimit of [0xffff, TARGET - 1, TARGET]) {
                          interrupt(bench, { ...c, gateAccess, stackHigh, stackLimit, innerSp, codeLimit });
                        }
                      }
                    }
                  }
                }
              }
            }
          }
        }
      }
    });
  }
  if (mode !== 'vm86') callGates(mode, long);
  if (long) {
    counted('gates: IST, its place in the TSS, and addresses that are not canonical', mode, (bench) => {
      for (const source of SOURCES) {
        for (const cpl of LEVELS) {
          bench.choose(sourceCode(source, mode), cpl);
          for (let level = 0; level <= cpl; level++) {
            const codeHigh = 0x20_9b00 | (level << 13);
            for (const gateAccess of [0xee, 0xef]) {
              // The stack of level 0 without IST is the handlers', too.
              for (let ist = level === 0 && cpl > 0 ? 1 : 0; ist < 8; ist++) {
                const top = level === 3 ? USER_STACK - 0x400 : INNER_STACK;
                for (const innerSp of [top - 16, top - 15, top - 2, top - 1, 0x9000_0000_0000]) {
                  for (const target of [TARGET, 0x9000_0000_0000]) {
                    interrupt(bench, { ...GOOD, source, gateAccess, codeHigh, ist, innerSp, target });
                  }
                }
                const end = ist > 0 ? 28 + 8 * ist + 7 : 4 + 8 * level + 7;
                for (const tssLimit of [end - 1, end, end + 1])
                  interrupt(bench, { ...GOOD, source, gateAccess, codeHigh, ist, innerSp: top, tssLimit });
              }
            }
          }
        }
      }
    });
  }
}
test.run();
