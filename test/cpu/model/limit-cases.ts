/**
 * Accesses at the edges of segments: expand-up and expand-down, byte and page granularity, 64 KiB and 4 GiB, every size of operand, on the
 * core and by segments.ts.
 *
 * Left out: accesses that wrap at 4 GiB in a segment that reaches there, where the SDM (vol. 3, section "Limit checking") lets a processor fault or not.
 *
 * @module
 */
import * as assert from 'uvu/assert';
import { type Machine, REG, SEG, USER_CODE, USER_STACK } from './machine.ts';
import { type SegmentBench, same, text } from './segment-cases.ts';
import * as S from './segments.ts';

const BASE = 0x20000;
const TOP = 0x1_0000_0000;

interface Form {
  readonly size: number;
  readonly write: boolean;
  readonly code: string;
}

/** MOV and MOVUPS by [EBX]; in 16-bit code with 67h. */
const FORMS: readonly Form[] = [
  { size: 1, write: false, code: '8a 03' },
  { size: 1, write: true, code: '88 03' },
  { size: 2, write: false, code: '66 8b 03' },
  { size: 2, write: true, code: '66 89 03' },
  { size: 4, write: false, code: '8b 03' },
  { size: 4, write: true, code: '89 03' },
  { size: 8, write: false, code: '0f 6f 03' },
  { size: 8, write: true, code: '0f 7f 03' },
  { size: 16, write: false, code: '0f 10 03' },
  { size: 16, write: true, code: '0f 11 03' },
  { size: 10, write: false, code: 'db 2b' },
  { size: 10, write: true, code: 'db 3b' },
];

const OVERRIDE: Record<number, string> = { 0: '26', 1: '2e', 2: '36', 3: '', 4: '64', 5: '65' };

/** Access bytes of every readable, writable and executable kind; DPL 3. */
const RIGHTS = [0xf1, 0xf3, 0xf5, 0xf7, 0xf9, 0xfb, 0xfd, 0xff];
const LIMITS = [0, 1, 0xf, 0xff, 0xffe, 0xfff, 0x1000, 0x1fff, 0xfffe, 0xffff, 0x1_0000, 0x1_ffff, 0xf_ffff, 0xf_ffff_f, 0xffff_ffff];

function offsetsAround(limit: number): number[] {
  const out = new Set<number>();
  for (const edge of [0, limit, limit + 1, 0x1_0000, TOP]) for (let d = -17; d <= 17; d++) out.add(edge + d);
  return [...out].filter((o) => o >= 0 && o < TOP);
}

/** Where the SDM leaves it open. */
function wrapsOpenly(rights: number, limit: number, offset: number, size: number): boolean {
  if (offset + size <= TOP) return false;
  return (rights & 0xc) === 4 ? (rights & 0x4000) !== 0 : limit === 0xffff_ffff;
}

/** A page fault says that the segment let the access pass; most of what compatibility mode could reach is not mapped. */
function pastSegment(found: S.Fault | undefined): S.Fault | undefined {
  return found?.vector === 14 ? undefined : found;
}

function is16(bench: SegmentBench): boolean {
  return bench.mode === 'prot16' || bench.mode === 'vm86' || bench.mode === 'real';
}

export function edges(bench: SegmentBench): void {
  const { mode } = bench;
  for (const seg of [SEG.ds, SEG.ss, SEG.es, SEG.fs]) {
    // In real mode the stack carries the exception's frame.
    if (mode === 'real' && seg === SEG.ss) continue;
    for (const form of FORMS) edgesOf(bench, seg, form);
  }
}

function prepared(form: Form, seg: number, bench: SegmentBench): string {
  const override = OVERRIDE[seg] as string;
  const code = is16(bench)
    ? form.code.startsWith('66')
      ? form.code.slice(3)
      : form.size === 4
        ? `66 ${form.code}`
        : form.code
    : form.code;
  return `${override} ${is16(bench) ? '67' : ''} ${code}`;
}

function edgesOf(bench: SegmentBench, seg: number, form: Form): void {
  const { m, mode } = bench;
  const flat = mode === 'vm86' || mode === 'real';
  // Hidden parts that a load from a descriptor of this mode can make; real mode keeps what protected mode left.
  const rights = mode === 'vm86' ? [0xf3] : mode === 'real' ? [0x93] : seg === SEG.ss ? [0xf3, 0xf7] : RIGHTS;
  const limits = mode === 'vm86' ? [0xffff] : LIMITS;
  bench.choose(prepared(form, seg, bench), mode === 'real' ? 0 : 3);
  const stack = m.get('SEG_SEL', SEG.ss);
  for (const access of rights) {
    for (const big of flat ? [0] : [0, 0x4000]) {
      const ar = access | big;
      for (const limit of limits) {
        for (const offset of offsetsAround(limit)) {
          if (wrapsOpenly(ar, limit, offset, form.size) || !bench.chosen()) continue;
          const good = mode === 'long' || (S.within(ar, limit, offset, form.size) && S.permits(ar, form.write));
          const expected = good ? undefined : { vector: seg === SEG.ss ? S.SS : S.GP, error: 0 };
          const found = bench.step(() => {
            m.segment(
              seg,
              seg === SEG.ss ? stack : mode === 'vm86' ? BASE >> 4 : 0x1b,
              ar,
              limit,
              BigInt(mode !== 'long' ? BASE : seg >= SEG.fs ? 0x1000 : 0),
            );
            m.set('REGS', mode === 'long' ? (seg >= SEG.fs ? USER_CODE : USER_STACK - 0x800) : offset, REG.bx);
          });
          if (!same(pastSegment(found), expected)) {
            const what = `${mode} segment ${seg} rights ${ar.toString(16)} limit ${limit.toString(16)} offset ${offset.toString(16)}`;
            assert.unreachable(`${what} ${form.write ? 'write' : 'read'} ${form.size}: ${text(found)}, not ${text(expected)}`);
          }
        }
      }
      if (mode === 'long') return;
    }
  }
}

/** PUSH and POP with SP at every edge: 16-bit stacks wrap at 64 KiB. */
export function stackEdges(bench: SegmentBench): void {
  const { m, mode } = bench;
  if (mode === 'long') return;
  const size16 = is16(bench);
  for (const push of [true, false]) {
    for (const size of [2, 4]) {
      bench.choose(`${(size === 2) === size16 ? '' : '66'} ${push ? '50' : '58'}`, 3);
      const selector = m.get('SEG_SEL', SEG.ss);
      for (const ar of mode === 'vm86' ? [0xf3] : [0xf3, 0xf7, 0x40f3, 0x40f7]) {
        const mask = (ar & 0x4000) !== 0 ? 0xffff_ffff : 0xffff;
        for (const limit of mode === 'vm86' ? [0xffff] : LIMITS) {
          for (const sp of offsetsAround(limit)) {
            const offset = ((push ? sp - size : sp) & mask) >>> 0;
            if (wrapsOpenly(ar, limit, offset, size) || !bench.chosen()) continue;
            const expected = S.within(ar, limit, offset, size) ? undefined : { vector: S.SS, error: 0 };
            const found = bench.step((machine: Machine) => {
              machine.segment(SEG.ss, selector, ar, limit, BigInt(BASE));
              machine.set('REGS', sp, REG.sp);
            });
            const what = (): string =>
              `${mode} ${push ? 'PUSH' : 'POP'} ${size} rights ${ar.toString(16)} limit ${limit.toString(16)} SP ${sp.toString(16)}`;
            if (!same(pastSegment(found), expected)) assert.unreachable(`${what()}: ${text(found)}, not ${text(expected)}`);
            if (found === undefined) {
              const next = ((push ? sp - size : sp + size) & mask) >>> 0;
              if (m.get('REGS', REG.sp) !== ((sp & ~mask) | next) >>> 0)
                assert.unreachable(`${what()}: SP ${m.get('REGS', REG.sp).toString(16)}`);
            }
          }
        }
      }
    }
  }
}
