/**
 * From what the measuring guest (`images/exit-cost/guest.S`) says on its console to a table of costs.
 *
 * Low is the shortest round, typical the median, high the 99th percentile. A round trip through a device is the exit's part and the device's, which a
 * measurement cannot tell apart: the part of the exit is the cheapest device of its kind, so that one adds 0; the sums are what was measured.
 * An operation that took less than a quarter of CPUID's round trip did not exit on that machine (a processor that does it itself); the entry
 * keeps its time and says so.
 *
 * @module
 */
import type { Bounds } from './table.ts';

/** Console text that is no measurement; one line. */
export class MeasurementError extends Error {
  override readonly name = 'MeasurementError';
}

export interface Measurement {
  /** CPUID's brand string. */
  readonly brand: string;
  /** Signature of CPUID leaf 40000000h. */
  readonly hypervisor?: string;
  /** Cycles of the time stamp counter in a ms. */
  readonly khz: number;
  /** Cycles by operation; those that the machine has not are missing. */
  readonly operations: ReadonlyMap<string, Bounds>;
}

const LINE = /^exit-cost ([a-z0-9-]+) (.*)$/;
const FIGURES = /^rounds \d+ min (\d{1,10}) median (\d{1,10}) p99 (\d{1,10})$/;
/** Of an entry's text. */
const TEXT_MAX = 200;

/** Reads the guest's console. Throws MeasurementError. */
export function parseMeasurement(text: string): Measurement {
  const operations = new Map<string, Bounds>();
  let brand = 'a processor without a name';
  let hypervisor: string | undefined;
  let khz = 0;
  let ended = false;
  for (const line of text.split(/\r?\n/)) {
    if (line === 'exit-cost end') ended = true;
    const [, name = '', rest = ''] = LINE.exec(line) ?? [];
    const clean = rest
      .replaceAll(/[^ -~]/g, '')
      .trim()
      .slice(0, TEXT_MAX);
    if (name === 'brand' && clean !== '') brand = clean;
    else if (name === 'hypervisor') hypervisor = clean;
    else if (name === 'tsc-khz') khz = Number(/^\d{1,9}$/.exec(clean)?.[0] ?? 0);
    else {
      const [low, typical, high] = (FIGURES.exec(rest)?.slice(1) ?? []).map(Number);
      if (low !== undefined && typical !== undefined && high !== undefined && low <= typical && typical <= high)
        operations.set(name, { low, typical, high });
    }
  }
  if (!ended) throw new MeasurementError(`there is no line 'exit-cost end': the measuring guest did not come to its end`);
  if (khz === 0) throw new MeasurementError('there is no frequency of the time stamp counter (exit-cost tsc-khz)');
  if (!operations.has('cpuid')) throw new MeasurementError("there is no measurement of CPUID ('exit-cost cpuid ...')");
  return { brand, ...(hypervisor !== undefined && { hypervisor }), khz, operations };
}

/** What the file says beside the figures. */
export interface MeasuredWhere {
  readonly hypervisor?: string;
  readonly kernel?: string;
  readonly mitigations?: string;
  readonly date?: string;
}

/** From the lowest to the highest; the typical one in the middle of those. */
function union(of: readonly Bounds[]): Bounds {
  const typical = of.map((bounds) => bounds.typical).sort((a, b) => a - b);
  return {
    low: Math.min(...of.map(({ low }) => low)),
    typical: typical[Math.floor(typical.length / 2)] as number,
    high: Math.max(...of.map(({ high }) => high)),
  };
}

function sorted(low: number, typical: number, high: number): Bounds {
  const middle = Math.max(0, typical);
  return { low: Math.max(0, Math.min(low, middle)), typical: middle, high: Math.max(middle, high) };
}

/** What is left of a round trip when the part of the exit is taken off. */
function minus(whole: Bounds, part: Bounds): Bounds {
  return sorted(whole.low - part.low, whole.typical - part.typical, whole.high - part.high);
}

/** Exits that are no access to a device, by the operations that make them. */
const REASONS: Readonly<Record<string, readonly string[]>> = {
  CPUID: ['cpuid'],
  VMCALL: ['vmcall'],
  INVD: ['invd'],
  WBINVD: ['wbinvd'],
  XSETBV: ['xsetbv'],
  CR_ACCESS: ['cr4', 'cr0'],
  DR_ACCESS: ['dr'],
  MSR_READ: ['rdmsr'],
  MSR_WRITE: ['wrmsr', 'wrmsr-deadline'],
  PENDING_INTERRUPT: ['window'],
  EXCEPTION_NMI: ['exception'],
  EPT_VIOLATION: ['first-touch'],
  APIC_ACCESS: ['lapic-read', 'lapic-timer'],
  EPT_MISCONFIG: ['ioapic-read', 'ioapic-write'],
};

const CAUSES: Readonly<Record<string, string>> = {
  'MSR_WRITE 0x6e0': 'wrmsr-deadline',
  'APIC_ACCESS read of register 0x390': 'lapic-read',
  'APIC_ACCESS write of register 0x80': 'lapic-tpr',
  'APIC_ACCESS write of register 0xb0': 'lapic-eoi',
  'APIC_ACCESS write of register 0x300': 'lapic-icr',
  'APIC_ACCESS write of register 0x380': 'lapic-timer',
};

/** Ports, by the device that answers. */
const PORTS: Readonly<Record<string, readonly string[]>> = {
  pic: ['in-pic', 'out-pic'],
  pit: ['in-pit', 'in-port61'],
  serial: ['in-serial', 'out-serial'],
  rtc: ['in-rtc'],
  i8042: ['in-i8042'],
  port92: ['in-port92'],
  pci: ['in-pci'],
  pm: ['in-pm'],
  post: ['out-post'],
  unclaimed: ['in-unclaimed', 'out-unclaimed'],
};

/** Devices that stand for all others of the monitor's. */
const USER_SPACE = ['serial', 'rtc', 'i8042', 'port92', 'pci', 'pm', 'unclaimed'];
const NO_EXIT = 0.25;

/** The table's JSON. */
export function measuredTable({ brand, hypervisor, khz, operations }: Measurement, where: MeasuredWhere = {}): Record<string, unknown> {
  const cpuid = operations.get('cpuid') as Bounds;
  const all = (names: readonly string[]): Bounds | undefined => {
    const of = names.flatMap((name) => operations.get(name) ?? []);
    return of.length === 0 ? undefined : union(of);
  };
  const entry = (bounds: Bounds): object =>
    bounds.typical < cpuid.typical * NO_EXIT
      ? { ...bounds, source: 'here', note: 'no exit on this machine' }
      : { ...bounds, source: 'here' };
  const entries = (of: readonly (readonly [string, Bounds | undefined])[]): Record<string, object> =>
    Object.fromEntries(of.flatMap(([key, bounds]) => (bounds === undefined ? [] : [[key, entry(bounds)]])));

  const ports = Object.entries(PORTS).flatMap(([device, names]) => {
    const bounds = all(names);
    return bounds === undefined ? [] : [[device, bounds] as const];
  });
  const exit = ports.map(([, bounds]) => bounds).sort((a, b) => a.typical - b.typical)[0];
  // What a device adds is no exit of its own.
  const added = ports.map(([device, bounds]) => [device, { ...minus(bounds, exit as Bounds), source: 'here' }] as const);
  const others = added.filter(([device]) => USER_SPACE.includes(device)).map(([, bounds]) => bounds);
  const zero = { low: 0, typical: 0, high: 0, source: 'here' };
  const emulated = hypervisor?.startsWith('TCG') === true || brand.startsWith('Lucid');
  return {
    processor: brand,
    ...(hypervisor !== undefined && { hypervisor }),
    ...where,
    hardware: !emulated,
    unit: 'cycles',
    ghz: khz / 1e6,
    sources: {
      here: { title: 'measured by lucid measure-exit-cost', measured: 'low: shortest round; typical: median; high: 99th percentile' },
    },
    reasons: {
      ...entries(Object.entries(REASONS).map(([reason, names]) => [reason, all(names)])),
      ...entries([['HLT', haltCost(operations)]]),
      ...(exit && { IO_INSTRUCTION: { ...exit, source: 'here' } }),
    },
    causes: entries(Object.entries(CAUSES).map(([cause, name]) => [cause, operations.get(name)])),
    devices: { ...Object.fromEntries(added), lapic: zero, ioapic: zero },
    ...(others.length > 0 && { device: { ...union(others), source: 'here' } }),
  };
}

/** A HLT that an interrupt ends at once, without the taking of the interrupt; and how late a sleeping vCPU is after its timer. */
function haltCost(operations: ReadonlyMap<string, Bounds>): Bounds | undefined {
  const [hlt, window] = [operations.get('hlt'), operations.get('window')];
  if (hlt === undefined || window === undefined) return undefined;
  const late = operations.get('hlt-wake') ?? { low: 0, typical: 0, high: 0 };
  const rest = minus(hlt, window);
  return sorted(rest.low, rest.typical + late.typical, rest.high + late.high);
}
