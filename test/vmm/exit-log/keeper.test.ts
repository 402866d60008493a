/** The exit log: every exit of a run is in it once, in order, with what it was about. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { eventAt, type ExitEvent } from '../../../vmm/exit-log/describe.ts';
import { ExitLogKeeper } from '../../../vmm/exit-log/keeper.ts';
import { eachExit } from '../../../vmm/exit-log/record.ts';
import type { Machine } from '../../../vmm/machine.ts';
import { reportOf } from '../../../vmm/report.ts';
import { EXIT, smallMachine } from './small-machine.ts';

/** Runs it to its end with a log. */
function logged(m: Machine, between = (_keeper: ExitLogKeeper): void => {}, frames = 0): ExitEvent[] {
  const events: ExitEvent[] = [];
  const keeper = new ExitLogKeeper(
    m.vm,
    (bytes) => {
      const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
      eachExit(view, (at, chain) => events.push(eventAt(view, at, chain)) > 0);
    },
    { frames },
  );
  for (let insns = 1000; m.run({ insns }).kind === 'limit'; insns += 1000) between(keeper);
  keeper.end();
  return events;
}

// mov al,5Ah; out 80h,al; in al,71h; mov ecx,10h; xor eax,eax; xor edx,edx; wrmsr (TSC); mov eax,1; cpuid; mov al,3; out f4h,al
const EACH = [
  0xb0,
  0x5a,
  0xe6,
  0x80,
  0xe4,
  0x71,
  0xb9,
  0x10,
  0,
  0,
  0,
  0x31,
  0xc0,
  0x31,
  0xd2,
  0x0f,
  0x30,
  0xb8,
  1,
  0,
  0,
  0,
  0x0f,
  0xa2,
  0xb0,
  3,
  0xe6,
  EXIT,
];
// mov ecx,40000; l: in al,80h; loop l; out f4h,al
const MANY = [0xb9, 0x40, 0x9c, 0, 0, 0xe4, 0x80, 0xe2, 0xfc, 0xe6, EXIT];

test('a record says what an exit was about, what moved, and what it cost', () => {
  const m = smallMachine(EACH);
  const events = logged(m).filter(({ reason }) => reason !== 'EPT_VIOLATION');
  const told = events.map(({ reason, port, size, direction, msr, leaf, value, length }) => ({
    reason,
    port,
    size,
    direction,
    msr,
    leaf,
    value,
    length,
  }));
  const io = (port: number, direction: string, value: string): object => ({
    reason: 'IO_INSTRUCTION',
    port,
    size: 1,
    direction,
    msr: undefined,
    leaf: undefined,
    value,
    length: 2,
  });
  const other = { port: undefined, size: undefined, direction: undefined, length: 2 };
  assert.equal(told[0], io(0x80, 'out', '0x5a'));
  assert.equal(told.at(-1), io(EXIT, 'out', '0x3'));
  assert.is(told[1]?.port, 0x71);
  assert.is(told[1]?.direction, 'in');
  assert.equal(told[2], { ...other, reason: 'MSR_WRITE', msr: '0x10', leaf: undefined, value: '0x0' });
  assert.equal(told[3], { ...other, reason: 'CPUID', msr: undefined, leaf: '0x1', value: undefined });
  const { exitTimeNs } = reportOf(m.vm);
  assert.is(
    logged(smallMachine(EACH)).reduce((sum, { costNs }) => sum + costNs, 0),
    exitTimeNs,
  );
});

test('however often it is emptied, and though it fills up, the log has each exit once and in order', () => {
  const m = smallMachine(MANY);
  const whole = logged(m);
  assert.is(whole.length, reportOf(m.vm).exitsTotal);
  assert.ok(whole.length > 40_000);
  assert.ok(whole.every((event, i) => i === 0 || event.time >= (whole[i - 1] as ExitEvent).time));
  assert.equal(
    logged(smallMachine(MANY), (keeper) => keeper.drain()),
    whole,
  );
});

// mov esp,80000h; mov ebp,esp; call a; a: push ebp; mov ebp,esp; call b; b: push ebp; mov ebp,esp; mov ecx,3000; l: out 80h,al; loop l; out f4h,al
const NESTED = [
  0xbc,
  0,
  0,
  8,
  0,
  0x89,
  0xe5,
  0xe8,
  0,
  0,
  0,
  0,
  0x55,
  0x89,
  0xe5,
  0xe8,
  0,
  0,
  0,
  0,
  0x55,
  0x89,
  0xe5,
  0xb9,
  0xb8,
  0x0b,
  0,
  0,
  0xe6,
  0x80,
  0xe2,
  0xfc,
  0xe6,
  EXIT,
];

test('a record has the return addresses above the exit, when asked for, also where the room ends', () => {
  const outs = (events: readonly ExitEvent[]): ExitEvent[] => events.filter(({ port }) => port === 0x80);
  const events = outs(logged(smallMachine(NESTED), (keeper) => keeper.drain(), 13));
  const base = BigInt(events[0]?.rip ?? 0) - 28n;
  const chain = [base + 20n, base + 12n].map((address) => `0x${address.toString(16)}`);
  assert.is(events.length, 3000);
  for (const event of events) assert.equal(event.stack, chain);
  assert.equal(outs(logged(smallMachine(NESTED), undefined, 2))[0]?.stack, chain.slice(0, 1));
  assert.equal(outs(logged(smallMachine(NESTED), undefined, 1))[0]?.stack, []);
  for (const event of events) assert.match(event.code ?? '', /^e680e2fce6f4/);
  assert.is(outs(logged(smallMachine(NESTED)))[0]?.stack, undefined);
});

test('a log changes nothing that the guest sees', () => {
  const [with_, without] = [smallMachine(MANY), smallMachine(MANY)];
  logged(with_);
  without.run();
  const [a, b] = [reportOf(with_.vm), reportOf(without.vm)];
  assert.is(a.exitHash, b.exitHash);
  assert.is(a.clockNs, b.clockNs);
});

test.run();
