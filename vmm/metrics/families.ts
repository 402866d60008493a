/**
 * What each kstat is to Prometheus: the names, units and labels under which `vmm/metrics/render.ts` shows it.
 *
 * Names follow Prometheus' "Metric and label naming": a prefix for whom they are of, base units (seconds, bytes), one family for things that may be added
 * up, told apart by labels. Those of disks and NICs follow node_exporter's, so that a panel made for a host's disks reads well for a guest's.
 *
 * A statistic that is `undefined` here is left out, because another family has it, or because it never is anything but 0 in this engine (see
 * `vmm/kvm-kstats.ts`) and a name that stands still forever would be taken for a promise. A kstat that no group knows is shown all the same,
 * as `lucid_kstat`: a device that gets a new one need not wait for a name here.
 *
 * @module
 */
import { EXIT_REASON, EXIT_REASON_NAMES } from '../exit-reason.ts';
import { exitStatName } from '../kvm-kstats.ts';
import type { KstatSnapshot } from '../kstat.ts';
import { type Family, labelText, type Labels } from './exposition.ts';

/** What one statistic is. */
export interface Meaning {
  readonly family: Family;
  /** Its own label, as text. */
  readonly label?: string;
  /** It counts ns, shown as seconds. */
  readonly ns?: true;
  /** 0 means that there is none. */
  readonly sparse?: true | undefined;
}

/** Kstats of one kind. */
export interface Group {
  readonly of: (kstat: KstatSnapshot) => boolean;
  /** Of all its samples, after the VM's. */
  readonly labels: (kstat: KstatSnapshot) => Labels;
  readonly meaning: ReadonlyMap<string, Meaning | undefined>;
}

function counter(name: string, help: string): Meaning {
  return { family: { name, type: 'counter', help } };
}

function bytes(name: string, help: string): Meaning {
  return { family: { name, type: 'counter', unit: 'bytes', help } };
}

function time(name: string, help: string): Meaning {
  return { family: { name, type: 'counter', unit: 'seconds', help }, ns: true };
}

function gauge(name: string, help: string): Meaning {
  return { family: { name, type: 'gauge', help } };
}

function meanings(stats: Readonly<Record<string, Meaning | undefined>>): Group['meaning'] {
  return new Map(Object.entries(stats));
}

/** Who the VM is. */
export const VM_INFO: Family = { name: 'lucid_vm', type: 'info', help: 'The VM: its number on this host and the process that runs it.' };
/** The VM's clock. */
export const GUEST_TIME: Family = {
  name: 'lucid_vm_guest_time_seconds',
  type: 'counter',
  unit: 'seconds',
  help: "The VM's clock: instructions, modelled exits and idle time. Of the moment at which the rest began to be read.",
};
/** A statistic without a name here. */
export const OTHER: Family = {
  name: 'lucid_kstat',
  type: 'unknown',
  help: 'A statistic that has no family of its own, as kstat names it.',
};

const EXITS: Family = { name: 'lucid_vm_exits', type: 'counter', help: 'VM exits by reason.' };
const EXIT_TIME: Family = {
  name: 'lucid_vm_exit_seconds',
  type: 'counter',
  unit: 'seconds',
  help: "Guest time that exits took, by reason; modelled (--exit-cost), not the host's.",
};
const EXIT_MIN: Family = { name: 'lucid_vm_exit_min_seconds', type: 'gauge', unit: 'seconds', help: 'Shortest exit so far, modelled.' };
const EXIT_MAX: Family = { name: 'lucid_vm_exit_max_seconds', type: 'gauge', unit: 'seconds', help: 'Longest exit so far, modelled.' };
const INTERRUPTS: Family = {
  name: 'lucid_vm_interrupts_injected',
  type: 'counter',
  help: 'Interrupts injected into the guest, by vector.',
};

function exitMeanings(): Group['meaning'] {
  const map = new Map<string, Meaning>();
  EXIT_REASON_NAMES.forEach((reason, number) => {
    const name = exitStatName(number);
    const label = labelText({ reason: reason ?? '' });
    // What cannot happen in this engine is shown only if it does.
    const sparse = reason !== undefined && Object.hasOwn(EXIT_REASON, reason) ? undefined : true;
    map.set(name, { family: EXITS, label, sparse });
    map.set(`${name}-time-ns`, { family: EXIT_TIME, label, ns: true, sparse });
    map.set(`${name}-min-ns`, { family: EXIT_MIN, label, ns: true, sparse: true });
    map.set(`${name}-max-ns`, { family: EXIT_MAX, label, ns: true, sparse: true });
  });
  return map;
}

function vectorMeanings(): Group['meaning'] {
  const hex = Array.from({ length: 256 }, (_, vector) => vector.toString(16).padStart(2, '0'));
  return new Map(hex.map((vector) => [`vec-${vector}`, { family: INTERRUPTS, label: labelText({ vector: `0x${vector}` }) }]));
}

const vcpu = ({ instance }: KstatSnapshot): Labels => ({ vcpu: String(instance) });

const VCPU = meanings({
  'mmio-exits': counter('lucid_vm_mmio_exits', 'MMIO accesses that a device answered, not the interrupt controllers.'),
  'nmi-injections': counter('lucid_vm_nmis_injected', 'Non-maskable interrupts injected into the guest.'),
  'insn-emulation': counter(
    'lucid_vm_emulated_instructions',
    'Instructions that a monitor would emulate: each MMIO access and string I/O.',
  ),
  'inst-emulation-fail': counter('lucid_vm_unknown_instructions', 'Instructions that the processor does not implement.'),
  'signal-exits': counter('lucid_vm_signal_exits', 'Returns from the guest because of the outside, such as input.'),
  'halt-wakeup': counter('lucid_vm_halt_wakeups', 'Times at which a processor left HLT.'),
  'pf-fixed': counter('lucid_vm_pages_touched', '4 KiB pages of guest RAM that were accessed for the first time.'),
  hypercalls: counter('lucid_vm_hypercalls', 'VMCALL instructions.'),
  // Of `lucid_vm_info`.
  pid: undefined,
  zonename: undefined,
  // Sums and members of `lucid_vm_exits` and `lucid_vm_interrupts_injected`.
  exits: undefined,
  'halt-exits': undefined,
  'irq-exits': undefined,
  'io-exits': undefined,
  'nmi-window-exits': undefined,
  'irq-window-exits': undefined,
  'irq-injections': undefined,
  // Never.
  'fpu-reload': undefined,
  'host-state-reload': undefined,
  'request-irq-exits': undefined,
  invlpg: undefined,
  'pf-guest': undefined,
});

const ENGINE = meanings({
  instructions: counter('lucid_vm_instructions', 'Guest instructions retired; one iteration of REP is one.'),
  'lines-decoded': counter('lucid_engine_lines_decoded', 'Lines of guest code decoded.'),
  'uops-decoded': counter('lucid_engine_uops_decoded', 'Micro-operations decoded.'),
  'dtlb-misses': counter('lucid_engine_data_tlb_misses', 'Misses of the software TLB for data.'),
  'itlb-misses': counter('lucid_engine_instruction_tlb_misses', 'Misses of the software TLB for code.'),
  'single-steps': counter('lucid_engine_single_steps', 'Instructions that ran one at a time.'),
  invalidations: counter('lucid_engine_invalidations', 'Pages of decoded code dropped because the guest wrote to them.'),
  'tlb-flushes': counter('lucid_engine_tlb_flushes', 'Flushes of the software TLBs.'),
});

/** kstat_io(9S). */
const DISK = meanings({
  reads: counter('lucid_disk_reads_completed', 'Reads completed.'),
  writes: counter('lucid_disk_writes_completed', 'Writes completed.'),
  nread: bytes('lucid_disk_read_bytes', 'Bytes read.'),
  nwritten: bytes('lucid_disk_written_bytes', 'Bytes written.'),
  wtime: time('lucid_disk_wait_time_seconds', 'Guest time with requests waiting.'),
  wlentime: time('lucid_disk_wait_time_weighted_seconds', 'Guest time with requests waiting, times their number.'),
  rtime: time('lucid_disk_io_time_seconds', 'Guest time with requests in service.'),
  rlentime: time('lucid_disk_io_time_weighted_seconds', 'Guest time with requests in service, times their number.'),
  wcnt: gauge('lucid_disk_io_waiting', 'Requests that wait.'),
  rcnt: gauge('lucid_disk_io_now', 'Requests in service.'),
  // Up to when the integrals are: bookkeeping.
  wlastupdate: undefined,
  rlastupdate: undefined,
});

/** The names of mac(9E) and mac(9F). */
const NIC = meanings({
  rbytes64: bytes('lucid_network_receive_bytes', 'Bytes that the guest received.'),
  obytes64: bytes('lucid_network_transmit_bytes', 'Bytes that the guest sent.'),
  ipackets64: counter('lucid_network_receive_packets', 'Frames that the guest received.'),
  opackets64: counter('lucid_network_transmit_packets', 'Frames that the guest sent.'),
  ierrors: counter('lucid_network_receive_errs', 'Frames for the guest that went nowhere.'),
  oerrors: counter('lucid_network_transmit_errs', 'Frames of the guest that went nowhere.'),
  norcvbuf: counter('lucid_network_receive_nobuffer', 'Times at which a frame began to wait for a buffer of the guest.'),
  macspoofed: counter('lucid_network_mac_spoofed', 'Frames of the guest dropped for a MAC address that is not its own.'),
  ipspoofed: counter('lucid_network_ip_spoofed', 'Frames of the guest dropped for an IP address that is not its own.'),
});

/** The kinds of kstats; the first that fits counts. `kvm:<vmid>:vm` is `lucid_vm_info`. */
export const GROUPS: readonly Group[] = [
  { of: ({ module, name }) => module === 'kvm' && /^exits-\d+$/.test(name), labels: vcpu, meaning: exitMeanings() },
  { of: ({ module, name }) => module === 'kvm' && /^irqs-\d+$/.test(name), labels: vcpu, meaning: vectorMeanings() },
  { of: ({ module, name }) => module === 'kvm' && /^vcpu-\d+$/.test(name), labels: vcpu, meaning: VCPU },
  { of: ({ module }) => module === 'engine', labels: vcpu, meaning: ENGINE },
  { of: ({ type }) => type === 'io', labels: ({ module, name }) => ({ device: name, driver: module }), meaning: DISK },
  {
    of: (kstat) => kstat.class === 'net',
    labels: ({ module, name }) => ({ device: name.replace(/-protect$/, ''), driver: module }),
    meaning: NIC,
  },
];

/** All of them, in the order in which they are shown. */
export const FAMILIES: readonly Family[] = [
  VM_INFO,
  GUEST_TIME,
  ...new Set(GROUPS.flatMap(({ meaning }) => [...meaning.values()].flatMap((one) => one?.family ?? []))),
  OTHER,
];
