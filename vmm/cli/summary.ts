/**
 * The table that ends a run: exits by reason, interrupts by vector, instructions and speed, the engine's own figures.
 *
 * @module
 */
import type { HostReport, Outcome, VmReport } from '../report.ts';

const count = (n: number): string => String(Math.round(n)).replace(/\B(?=(\d{3})+(?!\d))/g, ',');

/** Nanoseconds with a unit that leaves three or four digits. */
function time(ns: number): string {
  if (ns < 10_000) return `${Math.round(ns)} ns`;
  if (ns < 10_000_000) return `${(ns / 1e3).toFixed(1)} us`;
  if (ns < 10_000_000_000) return `${(ns / 1e6).toFixed(1)} ms`;
  return `${(ns / 1e9).toFixed(2)} s`;
}

function row(cells: readonly string[], widths: readonly number[]): string {
  return cells
    .map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i])))
    .join('  ')
    .trimEnd();
}

/** How it ended, in words. */
export function outcomeText(outcome: Outcome): string {
  switch (outcome.kind) {
    case 'power-off':
      return 'the guest powered off';
    case 'debug-exit':
      return `the guest wrote ${outcome.value} to the debug-exit port`;
    case 'limit':
      return `the limit of ${{ insns: 'instructions', time: 'guest time', wall: 'wall time' }[outcome.which]} was reached`;
    case 'interrupted':
      return 'interrupted';
    case 'stopped':
      return 'stopped by lucid stop --force';
    case 'died':
      return `the guest died: ${outcome.why.split('\n', 1)[0]}`;
  }
}

/** Exit status of a run. */
export function exitStatus(outcome: Outcome): number {
  switch (outcome.kind) {
    case 'power-off':
      return 0;
    case 'debug-exit':
      return ((outcome.value << 1) | 1) & 0xff;
    case 'limit':
      return 4;
    case 'interrupted':
      return 130;
    case 'stopped':
      return 143;
    case 'died':
      return 6;
  }
}

/** Exits by reason. */
export function exitTable(report: VmReport): string[] {
  const widths = [20, 11, 7, 11, 9, 9, 9];
  const lines = [row(['VM exit', 'count', 'share', 'time', 'min', 'avg', 'max'], widths)];
  const share = (n: number): string => `${((n * 100) / Math.max(1, report.exitsTotal)).toFixed(1)} %`;
  for (const e of report.exits) {
    lines.push(
      row([e.name, count(e.count), share(e.count), time(e.timeNs), time(e.minNs), time(e.timeNs / e.count), time(e.maxNs)], widths),
    );
  }
  const average = report.exitTimeNs / Math.max(1, report.exitsTotal);
  lines.push(row(['all', count(report.exitsTotal), '', time(report.exitTimeNs), '', time(average), ''], widths));
  lines.push('(times are modelled: see --exit-cost)');
  return lines;
}

/** Interrupts by vector, a few to a line. */
function interruptLines(report: VmReport): string[] {
  const total = report.interrupts.reduce((sum, i) => sum + i.count, 0);
  const cells = report.interrupts.map((i) => `${i.vector.toString(16).padStart(2, '0')}h ${count(i.count)}`);
  const lines = [`interrupts injected: ${count(total)}`];
  for (let i = 0; i < cells.length; i += 6) lines.push(`  ${cells.slice(i, i + 6).join('   ')}`);
  return lines;
}

/** Bytes in units of 1024 that leave a few digits. */
function bytes(n: number): string {
  if (n < 10_240) return `${count(n)} bytes`;
  return n < 10 * 1048576 ? `${count(n / 1024)} kB` : `${count(n / 1048576)} MB`;
}

/** A line for each disk and NIC. */
function deviceLines({ disks, nics }: VmReport): string[] {
  const lines = [
    ...disks.map(
      (d) =>
        `${d.name}: ${count(d.reads)} reads, ${bytes(d.readBytes)}; ${count(d.writes)} writes, ${bytes(d.writtenBytes)}; busy ${time(d.busyNs)}`,
    ),
    ...nics.map(
      (n) =>
        `${n.name}: ${count(n.packetsIn)} frames in, ${bytes(n.bytesIn)}; ${count(n.packetsOut)} out, ${bytes(n.bytesOut)}; ${count(n.dropped)} dropped`,
    ),
  ];
  return lines.length === 0 ? [] : [...lines, ''];
}

/** The whole summary. */
export function summaryLines(name: string, outcome: Outcome, report: VmReport, host: HostReport): string[] {
  const e = report.engine;
  return [
    `${name}: ${outcomeText(outcome)}`,
    '',
    ...exitTable(report),
    '',
    ...interruptLines(report),
    '',
    ...deviceLines(report),
    `instructions ${count(report.instructions)}   guest clock ${time(report.clockNs)} (idle ${time(report.idleNs)})   exit hash ${report.exitHash}`,
    `wall ${host.wallSeconds.toFixed(2)} s   CPU ${host.cpuSeconds.toFixed(2)} s   ${host.mips.toFixed(0)} MIPS of CPU time   ` +
      `start to first instruction ${host.startupMs.toFixed(0)} ms`,
    `guest memory touched ${count(report.pagesTouched * 4)} kB   peak resident ${count(host.peakRssBytes / 1024)} kB`,
    `engine: ${count(e.linesDecoded)} lines and ${count(e.uopsDecoded)} micro-ops decoded, ${count(e.dtlbMisses)} data and ` +
      `${count(e.itlbMisses)} instruction TLB misses, ${count(e.tlbFlushes)} flushes, ${count(e.invalidations)} invalidations, ${count(e.singleSteps)} single steps`,
  ];
}
