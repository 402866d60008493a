/**
 * Far CALL and JMP through call gates on the core, compared with gates.ts.
 *
 * @module
 */
import * as assert from 'uvu/assert';
import * as G from './gates.ts';
import { CODE_AT, type GateBench, GATE_AT, GOOD, type Case, OPERAND, STACK_AT, TARGET } from './gate-cases.ts';
import { gate, GDT, INNER_STACK, REG, SEG, SEL } from './machine.ts';
import * as S from './segments.ts';

export interface CallCase extends Case {
  readonly call: boolean;
  readonly rpl: number;
  readonly count: number;
  /** The type field in the third doubleword of a 64-bit gate. */
  readonly upperType: number;
}

export const GOOD_CALL: CallCase = { ...GOOD, gateAccess: 0xec, call: true, rpl: 0, count: 0, upperType: 0 };

/** `bench.choose` was called with `ff 1b` for CALL or `ff 2b` for JMP. */
export function callGate(bench: GateBench, c: CallCase): void {
  const { m, long } = bench;
  const width = long ? 8 : (c.gateAccess & 8) !== 0 ? 4 : 2;
  const t = bench.arrange(c, 0, c.target);
  const d = t.code.descriptor;
  const inward = d !== undefined && S.plainOf(d) && S.codeOf(d) && !S.conformingOf(d) && S.dplOf(d) < bench.cpl;
  const zero = inward && S.dplOf(d) === 0;
  const through: G.Through =
    zero && !long
      ? {
          ...t,
          inner: {
            ...t.inner,
            selected: { selector: SEL.data, descriptor: { low: 0xffff, high: 0xcf_9300 } },
            limit: 0xffff_ffff,
            sp: INNER_STACK,
            inTss: true,
          },
        }
      : t;
  const selector = GATE_AT | c.rpl;
  m.put64(GDT + GATE_AT, gate(c.gateAccess, c.codeSelector, c.target, c.count));
  if (long) m.put64(GDT + GATE_AT + 8, BigInt(Math.floor(c.target / 2 ** 32)) | (BigInt(c.upperType) << 40n));
  m.put32(OPERAND, 0xdead_beef);
  m.put16(OPERAND + 4, selector);
  const sp = m.get('REGS', REG.sp);
  for (let i = 0; i < 32; i++) {
    if (width === 2) m.put16(sp + 2 * i, 0x4000 + i);
    else m.put32(sp + 4 * i, 0x6a00_0000 + i);
  }
  const [cs, ss, start] = [m.get('SEG_SEL', SEG.cs), m.get('SEG_SEL', SEG.ss), m.get('RIP')];
  bench.go();
  bench.cases++;
  m.run(1);
  const parameters = long ? 0 : c.count & 31;
  const expected: G.Outcome =
    long && c.upperType !== 0 && privileged(c, bench.cpl)
      ? { vector: S.GP, error: selector & 0xfffc }
      : G.throughCallGate(through, c.gateAccess, selector, c.call, parameters * width, width);
  const what = (): string =>
    `${bench.mode} CPL ${bench.cpl} ${JSON.stringify(c, (_, v) => (typeof v === 'number' ? `${v.toString(16)}h` : v))}`;
  const found = bench.fault();
  if (G.isFault(expected)) {
    if (found === undefined || found.vector !== expected.vector || found.error !== expected.error) {
      assert.unreachable(
        `${what()}: ${found === undefined ? `no fault, RIP ${m.get('RIP').toString(16)}` : `vector ${found.vector} error ${found.error.toString(16)}`}, not vector ${expected.vector} error ${expected.error.toString(16)}`,
      );
    }
    return;
  }
  if (expected === 'task') return;
  if (found !== undefined) assert.unreachable(`${what()}: vector ${found.vector} error ${found.error.toString(16)}, not a transfer`);
  const pushed = c.call ? [start + 2, cs] : [];
  if (expected.switched) {
    for (let i = 0; i < parameters; i++) pushed.push((width === 2 ? 0x4000 : 0x6a00_0000) + i);
    pushed.push(sp, ss);
  }
  const top = !expected.switched ? sp : zero && !long ? INNER_STACK : c.innerSp;
  const frame = top - width * pushed.length;
  const base = expected.switched && !long && !zero ? S.baseOf({ low: 0, high: c.stackHigh }) : 0;
  const selectors = [1, pushed.length - 1];
  const got = [m.get('RIP'), m.get('SEG_SEL', SEG.cs), m.get('CPL'), m.get('REGS', REG.sp)];
  if (expected.switched) got.push(m.get('SEG_SEL', SEG.ss));
  for (const i of pushed.keys()) {
    const at = base + frame + width * i;
    got.push((width === 2 ? m.read16(at) : m.read32(at)) & (selectors.includes(i) && (i === 1 || expected.switched) ? 0xffff : -1));
  }
  const target = width === 2 ? c.target & 0xffff : c.target;
  const wanted = [target, (c.codeSelector & ~3) | expected.cpl, expected.cpl, frame];
  if (expected.switched) wanted.push(long ? expected.cpl : zero ? SEL.data : c.stackSelector);
  wanted.push(...pushed.map((v) => (width === 2 ? v & 0xffff : v)));
  if (got.some((v, i) => v >>> 0 !== (wanted[i] as number) >>> 0)) {
    assert.equal(
      got.map((v) => (v >>> 0).toString(16)),
      wanted.map((v) => (v >>> 0).toString(16)),
      what(),
    );
  }
}

/** The gate's own privilege is in order: only then is its upper half looked at. */
function privileged(c: CallCase, cpl: number): boolean {
  const dpl = (c.gateAccess >> 5) & 3;
  return dpl >= cpl && dpl >= c.rpl;
}

export { CODE_AT, STACK_AT, TARGET };
