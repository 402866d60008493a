/**
 * The lines of `kvmstat`: per-second rates of each vCPU, in the columns of illumos' kvmstat.
 *
 * A rate is (delta * 10^9 + t / 2) / t in integers, of counters of 64 bits that may wrap, over t ns of the clock that is asked for. A vCPU's first
 * line comes with its second sample. With one vCPU the header stands before every 20th block, with several before each; blocks without a
 * vCPU print nothing, where the original repeats its header.
 *
 * @module
 */
import type { KstatSnapshot } from '../kstat.ts';
import type { VmReading } from './kstat-chain.ts';

/** Whose time rates are per second of. */
export type RateClock = 'host' | 'vm';

/** One vCPU at one moment. */
export interface VcpuSample {
  /** The same for all samples of one vCPU of one VM. */
  readonly key: string;
  readonly vmid: number;
  readonly vm: string;
  readonly pid: bigint;
  /** The kstat's name: `vcpu-4`. */
  readonly name: string;
  readonly vcpu: number;
  /** ns of the clock that rates go by, now and when the counters began. */
  readonly timeNs: bigint;
  readonly startNs: bigint;
  readonly stats: ReadonlyMap<string, bigint | string>;
}

/** One line: a vCPU's rates by column. */
export interface VcpuRates {
  readonly sample: VcpuSample;
  readonly elapsedNs: bigint;
  readonly rates: Readonly<Record<string, bigint>>;
}

interface Column {
  readonly header: string;
  readonly width: number;
  /** A counter whose rate it shows. */
  readonly stat?: string;
}

const COLUMNS: readonly Column[] = [
  { header: 'pid', width: 6 },
  { header: 'vcpu', width: 4 },
  { header: '|', width: 1 },
  { header: 'exits', width: 6, stat: 'exits' },
  { header: ':', width: 1 },
  { header: 'haltx', width: 6, stat: 'halt-exits' },
  { header: 'irqx', width: 6, stat: 'irq-exits' },
  { header: 'irqwx', width: 6, stat: 'irq-window-exits' },
  { header: 'iox', width: 6, stat: 'io-exits' },
  { header: 'mmiox', width: 6, stat: 'mmio-exits' },
  { header: '|', width: 1 },
  { header: 'irqs', width: 6, stat: 'irq-injections' },
  { header: 'emul', width: 6, stat: 'insn-emulation' },
  { header: 'eptv', width: 6, stat: 'pf-fixed' },
];

const HEADER_EVERY = 20;

function line(cells: readonly string[]): string {
  return `${cells.map((cell, i) => cell.padStart(COLUMNS[i]?.width ?? 0)).join(' ')}\n`;
}

const HEADER = line(COLUMNS.map((c) => c.header));

/** Events per second, rounded to the nearest; 0 when no time has passed. */
export function rate(delta: bigint, elapsedNs: bigint): bigint {
  return elapsedNs <= 0n ? 0n : (BigInt.asUintN(64, delta) * 1_000_000_000n + elapsedNs / 2n) / elapsedNs;
}

/** Is a vCPU's kstat: what kvmstat is interested in. */
export function isVcpuKstat(kstat: { readonly module: string; readonly class: string; readonly name: string }): boolean {
  return kstat.module === 'kvm' && kstat.class === 'misc' && kstat.name.startsWith('vcpu-');
}

/** The vCPUs of readings, sorted by the kstat's name as strcmp does, then by instance. */
export function vcpuSamples(readings: readonly VmReading[], clock: RateClock): VcpuSample[] {
  const samples = readings.flatMap((reading) => reading.kstats.filter(isVcpuKstat).map((kstat) => sampleOf(reading, kstat, clock)));
  return samples.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : a.vcpu - b.vcpu));
}

function sampleOf({ vm, key, hostNs, hostStartNs }: VmReading, kstat: KstatSnapshot, clock: RateClock): VcpuSample {
  const stats = new Map(kstat.values);
  const pid = stats.get('pid');
  return {
    key: `${key}:${kstat.instance}`,
    vmid: vm.vmid,
    vm: vm.name,
    pid: typeof pid === 'bigint' ? pid : BigInt(vm.pid),
    name: kstat.name,
    vcpu: kstat.instance,
    timeNs: clock === 'host' ? hostNs : kstat.snaptime,
    startNs: clock === 'host' ? hostStartNs : kstat.crtime,
    stats,
  };
}

function counter(sample: VcpuSample | undefined, stat: string): bigint {
  const value = sample?.stats.get(stat);
  return typeof value === 'bigint' ? value : 0n;
}

/** Rates since an earlier sample of the same vCPU; without one, since the counters began. */
export function ratesSince(sample: VcpuSample, before?: VcpuSample): VcpuRates {
  const elapsedNs = sample.timeNs - (before?.timeNs ?? sample.startNs);
  const rates: Record<string, bigint> = {};
  for (const { header, stat } of COLUMNS) {
    if (stat !== undefined) rates[header] = rate(counter(sample, stat) - counter(before, stat), elapsedNs);
  }
  return { sample, elapsedNs, rates };
}

function rateLine({ sample, rates }: VcpuRates): string {
  const own: Readonly<Record<string, bigint>> = { pid: sample.pid, vcpu: BigInt(sample.vcpu) };
  return line(COLUMNS.map(({ header, stat }) => String(stat === undefined ? (own[header] ?? header) : rates[header])));
}

function rateObject({ sample, elapsedNs, rates }: VcpuRates, now: Date): string {
  const { vmid, vm, pid, vcpu } = sample;
  const numbers = Object.entries(rates).map(([column, value]) => [column, Number(value)]);
  const seconds = Number(elapsedNs) / 1e9;
  return `${JSON.stringify({ time: now.toISOString(), vmid, vm, pid: Number(pid), vcpu, seconds, ...Object.fromEntries(numbers) })}\n`;
}

/** Blocks of lines, one for each interval. */
export class VcpuTable {
  #before = new Map<string, VcpuSample>();
  #block = 0;
  /** There was nothing to print in the block before. */
  #blank = false;

  /** Samples to compare the first block with. */
  start(samples: readonly VcpuSample[]): void {
    this.#before = new Map(samples.map((s) => [s.key, s]));
  }

  #rates(samples: readonly VcpuSample[]): VcpuRates[] {
    const before = this.#before;
    this.start(samples);
    return samples.filter((s) => before.has(s.key)).map((s) => ratesSince(s, before.get(s.key)));
  }

  /** The next block. */
  block(samples: readonly VcpuSample[]): string {
    const lines = this.#rates(samples).map(rateLine).join('');
    const header = samples.length !== 1 || this.#block % HEADER_EVERY === 0 || this.#blank;
    this.#block++;
    this.#blank = lines === '';
    return (header && lines !== '' ? HEADER : '') + lines;
  }

  /** The same as one JSON object for each vCPU. */
  jsonBlock(samples: readonly VcpuSample[], now: Date): string {
    return this.#rates(samples)
      .map((rates) => rateObject(rates, now))
      .join('');
  }
}

/** One block of rates since the VMs started. */
export function sinceBoot(samples: readonly VcpuSample[]): string {
  return HEADER + samples.map((s) => rateLine(ratesSince(s))).join('');
}

export function sinceBootJson(samples: readonly VcpuSample[], now: Date): string {
  return samples.map((s) => rateObject(ratesSince(s), now)).join('');
}
