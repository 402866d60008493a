/**
 * `kvmstat -e`: exits by reason, in the manner of `perf kvm stat`.
 *
 * Reads the kstats `kvm:<vcpu>:exits-<vmid>`, whatever reasons they have. Samples and time are those of the interval; the shortest and longest time
 * cannot be told for an interval and are since the VM started. Times are modelled, and headed so: what the host spent is a separate statistic,
 * shown beside them when asked for and there.
 *
 * @module
 */
import type { KstatSnapshot } from '../kstat.ts';
import type { VmReading } from './kstat-chain.ts';

/** Exits for one reason, of all vCPUs of all VMs that are shown. Times in ns. */
export interface ExitEvent {
  readonly reason: string;
  readonly samples: bigint;
  readonly timeNs: bigint;
  readonly minNs: bigint;
  readonly maxNs: bigint;
  /** What the host spent; undefined when no VM measures it. */
  readonly hostNs: bigint | undefined;
}

export type ExitKey = 'samples' | 'time';

export function isExitsKstat(kstat: { readonly module: string; readonly name: string }): boolean {
  return kstat.module === 'kvm' && kstat.name.startsWith('exits-');
}

type Counters = ReadonlyMap<string, bigint>;

/** Counters of each vCPU's kstat, by a key of its own. */
export type ExitCounters = ReadonlyMap<string, Counters>;

export function exitCounters(readings: readonly VmReading[]): ExitCounters {
  const all = new Map<string, Counters>();
  for (const { key, kstats } of readings) {
    for (const kstat of kstats) if (isExitsKstat(kstat)) all.set(`${key}:${kstat.instance}`, countersOf(kstat));
  }
  return all;
}

function countersOf(kstat: KstatSnapshot): Counters {
  return new Map(kstat.values.filter((entry): entry is readonly [string, bigint] => typeof entry[1] === 'bigint'));
}

/** Whether any VM measures the host's time of its exits. */
export function measuresHostTime(counters: ExitCounters): boolean {
  return [...counters.values()].some((c) => [...c.keys()].some((stat) => stat.endsWith('-host-ns')));
}

const PARTS = /-(time|min|max|host)-ns$/;

/** What happened since `before`; a vCPU that is not in it is left out, unless there is no `before` at all. */
export function exitEvents(now: ExitCounters, before?: ExitCounters): ExitEvent[] {
  const events = new Map<string, { -readonly [K in keyof ExitEvent]: ExitEvent[K] }>();
  for (const [key, counters] of now) {
    const old = before?.get(key);
    if (before !== undefined && old === undefined) continue;
    const since = (stat: string): bigint => BigInt.asUintN(64, (counters.get(stat) ?? 0n) - (old?.get(stat) ?? 0n));
    for (const stat of counters.keys()) {
      if (PARTS.test(stat)) continue;
      const samples = since(stat);
      if (samples === 0n) continue;
      const min = counters.get(`${stat}-min-ns`) ?? 0n;
      const max = counters.get(`${stat}-max-ns`) ?? 0n;
      const hostNs = counters.has(`${stat}-host-ns`) ? since(`${stat}-host-ns`) : undefined;
      const event = events.get(stat);
      if (event === undefined) {
        const reason = stat.toUpperCase().replaceAll('-', '_');
        events.set(stat, { reason, samples, timeNs: since(`${stat}-time-ns`), minNs: min, maxNs: max, hostNs });
        continue;
      }
      event.samples += samples;
      event.timeNs += since(`${stat}-time-ns`);
      if (min < event.minNs) event.minNs = min;
      if (max > event.maxNs) event.maxNs = max;
      if (hostNs !== undefined) event.hostNs = (event.hostNs ?? 0n) + hostNs;
    }
  }
  return [...events.values()];
}

export function sortEvents(events: readonly ExitEvent[], key: ExitKey): ExitEvent[] {
  const by = (e: ExitEvent): bigint => (key === 'samples' ? e.samples : e.timeNs);
  return [...events].sort((a, b) => (by(a) < by(b) ? 1 : by(a) > by(b) ? -1 : a.reason < b.reason ? -1 : 1));
}

function total(events: readonly ExitEvent[], field: 'samples' | 'timeNs' | 'hostNs'): bigint {
  return events.reduce((sum, e) => sum + (e[field] ?? 0n), 0n);
}

/** Microseconds with two decimals. */
function micro(ns: number): string {
  return `${(ns / 1000).toFixed(2)}us`;
}

function percent(part: bigint, whole: bigint): string {
  return `${(whole === 0n ? 0 : (Number(part) * 100) / Number(whole)).toFixed(2)}%`;
}

const WIDTHS = [20, 10, 9, 9, 11, 11, 16, 16, 16];

function line(cells: readonly string[]): string {
  return `${cells.map((cell, i) => cell.padStart(WIDTHS[i] ?? 0)).join(' ')}\n`;
}

export interface ExitTableOptions {
  /** Whose exits: `all VMs, all VCPUs`. */
  readonly of: string;
  readonly key: ExitKey;
  readonly hostTime: boolean;
  /** The events are of an interval, not since the start. */
  readonly interval: boolean;
}

/** The table. */
export function exitTable(events: readonly ExitEvent[], { of, key, hostTime, interval }: ExitTableOptions): string {
  const samples = total(events, 'samples');
  const time = total(events, 'timeNs');
  const head = ['VM-EXIT', 'Samples', 'Samples%', 'Time%', 'Min Time', 'Max Time', 'Avg time'];
  if (hostTime) head.push('Host time', 'Host avg');
  const rows = sortEvents(events, key).map((e) => {
    const count = Number(e.samples);
    const cells = [e.reason, String(e.samples), percent(e.samples, samples), percent(e.timeNs, time)];
    cells.push(micro(Number(e.minNs)), micro(Number(e.maxNs)), micro(Number(e.timeNs) / count));
    if (hostTime) cells.push(...(e.hostNs === undefined ? ['-', '-'] : [micro(Number(e.hostNs)), micro(Number(e.hostNs) / count)]));
    return line(cells);
  });
  const host = hostTime ? `, host time:${micro(Number(total(events, 'hostNs')))}` : '';
  return (
    `\nAnalyze events for ${of} (times are modelled${interval ? '; min and max since the start' : ''}):\n\n` +
    `${line(head)}\n${rows.join('')}\n` +
    `Total Samples:${samples}, Total events handled time:${micro(Number(time))}${host}.\n`
  );
}

/** The table as one JSON object on a line. */
export function exitObject(events: readonly ExitEvent[], seconds: number, options: ExitTableOptions, now: Date): string {
  const exits = sortEvents(events, options.key).map((e) => ({
    reason: e.reason,
    samples: Number(e.samples),
    timeNs: Number(e.timeNs),
    minNs: Number(e.minNs),
    maxNs: Number(e.maxNs),
    avgNs: Number(e.timeNs) / Number(e.samples),
    ...(options.hostTime ? { hostNs: e.hostNs === undefined ? null : Number(e.hostNs) } : {}),
  }));
  const samples = Number(total(events, 'samples'));
  return `${JSON.stringify({ time: now.toISOString(), of: options.of, seconds, samples, timeNs: Number(total(events, 'timeNs')), exits })}\n`;
}
