/**
 * What a VM did, as plain data: exits by reason with their modelled time, interrupts by vector, instructions, what the engine did.
 *
 * Everything but `host` and `engine` follows from the guest alone and repeats from run to run; `engine` also depends on the engine's mode.
 *
 * @module
 */
import { offsetOf } from './cpu/layout.ts';
import { type DiskReport, disksOf, type NicReport, nicsOf } from './device-report.ts';
import { EXIT_REASON_LIMIT, exitReasonName } from './exit-reason.ts';
import type { Vm } from './vm.ts';

/** How a run ended. */
export type Outcome =
  | { readonly kind: 'power-off' }
  | { readonly kind: 'debug-exit'; readonly value: number }
  | { readonly kind: 'limit'; readonly which: 'insns' | 'time' | 'wall' }
  | { readonly kind: 'interrupted' }
  /** `lucid stop --force`. */
  | { readonly kind: 'stopped' }
  | { readonly kind: 'died'; readonly why: string };

/** One reason's exits; times in ns of the VM's clock, from the table of modelled costs. */
export interface ExitRow {
  readonly reason: number;
  readonly name: string;
  readonly count: number;
  readonly timeNs: number;
  readonly minNs: number;
  readonly maxNs: number;
}

export interface VmReport {
  readonly instructions: number;
  /** The VM's clock at the end, and the part of it that idle time made. */
  readonly clockNs: number;
  readonly idleNs: number;
  readonly exits: readonly ExitRow[];
  readonly exitsTotal: number;
  readonly exitTimeNs: number;
  /** Hash over all exits (reason, rip, instruction count): equal for two runs that did the same. */
  readonly exitHash: string;
  readonly interrupts: readonly { readonly vector: number; readonly count: number }[];
  /** Guest RAM that was touched, in 4 KiB pages. */
  readonly pagesTouched: number;
  readonly disks: readonly DiskReport[];
  readonly nics: readonly NicReport[];
  readonly engine: Readonly<Record<string, number>>;
}

/** The process's part of a report: measured, differs from run to run. */
export interface HostReport {
  readonly wallSeconds: number;
  readonly cpuSeconds: number;
  /** Instructions per microsecond of CPU time. */
  readonly mips: number;
  /** From the start of the process to the first guest instruction. */
  readonly startupMs: number;
  readonly peakRssBytes: number;
}

const ENGINE = {
  linesDecoded: 'ENG_LINES',
  uopsDecoded: 'ENG_UOPS',
  dtlbMisses: 'ENG_TLB_MISSES',
  itlbMisses: 'ENG_ITLB_MISSES',
  singleSteps: 'ENG_STEPS',
  invalidations: 'ENG_INVALIDATIONS',
  tlbFlushes: 'ENG_FLUSHES',
} as const;

const NONE_YET = 0xffff_ffff_ffff_ffffn;

/** The report of a VM: the sums over its vCPUs. */
export function reportOf(vm: Vm): VmReport {
  if (vm.vcpus.length === 0) throw new Error('a VM without vCPUs has nothing to report');
  const views = vm.vcpus.map((vcpu) => new BigUint64Array(vm.memory.buffer, vcpu.base, 2048));
  const words = (field: string, index = 0): bigint[] => views.map((view) => view[offsetOf(field, index) / 8] ?? 0n);
  const sum = (field: string, index = 0): number => words(field, index).reduce((total, n) => total + Number(n), 0);
  const exits: ExitRow[] = [];
  for (let reason = 0; reason < EXIT_REASON_LIMIT; reason++) {
    const count = sum('EXIT_COUNT', reason);
    if (count === 0) continue;
    exits.push({
      reason,
      name: exitReasonName(reason),
      count,
      timeNs: sum('EXIT_TIME', reason),
      minNs: Math.min(...words('EXIT_MIN', reason).map((min) => (min === NONE_YET ? Number.MAX_SAFE_INTEGER : Number(min)))),
      maxNs: Math.max(...words('EXIT_MAX', reason).map(Number)),
    });
  }
  exits.sort((a, b) => b.count - a.count || a.reason - b.reason);
  const interrupts = [];
  for (let vector = 0; vector < 256; vector++) {
    const count = sum('IRQ_COUNT', vector);
    if (count > 0) interrupts.push({ vector, count });
  }
  const exitTimeNs = exits.reduce((sum, e) => sum + e.timeNs, 0);
  const instructions = sum('ICOUNT');
  const clockNs = vm.clock.now();
  return {
    instructions,
    clockNs,
    idleNs: clockNs - instructions - exitTimeNs,
    exits,
    exitsTotal: exits.reduce((sum, e) => sum + e.count, 0),
    exitTimeNs,
    exitHash: joined(words('EXIT_HASH')).toString(16).padStart(16, '0'),
    interrupts,
    pagesTouched: sum('KS_PF_FIXED'),
    disks: disksOf(vm.kstats),
    nics: nicsOf(vm.kstats),
    engine: Object.fromEntries(Object.entries(ENGINE).map(([name, field]) => [name, sum(field)])),
  };
}

/** One hash of the vCPUs' hashes; that of a single one is its own (FNV-1a over the others). */
function joined(hashes: readonly bigint[]): bigint {
  return hashes.reduce((all, hash) => ((all ^ hash) * 0x100_0000_01b3n) & NONE_YET);
}
