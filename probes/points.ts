/**
 * Probe points: what can be traced, and the one way to fire it.
 *
 * A leaf: everything may import it, it imports `structures.ts` alone. The points are those of illumos KVM's SDT provider (`sdt:kvm:<function>:<name>`),
 * in the function that fires each one there, so a script written for illumos finds them and a rename in this code base breaks none; those
 * marked as extensions have no original. Raw values go to arg0 to arg4 and are typed for `args[]` here.
 *
 * An argument of type `struct kvm_vcpu *` is the D address (D_BASE_HIGH of `arena.ts`) of the vCPU's state in the VM's memory; the structure that
 * D programs see has an `int vcpu_id` at offsetOf('VCPU_ID') of `vmm/cpu/layout.ts` (232) and nothing else by name.
 *
 * Where the original fires before the access and this engine after it: kvm-pio of an input and kvm-mmio-read-unsatisfied, so that the value is
 * known and who answered. A burst of string I/O is one kvm-pio: the elements that start in its page, and the first one's value (0 for input
 * that the monitor's client answers). kvm-inj-exception fires for exceptions that the monitor raises or hands on, not for the guest's own,
 * which need no exit.
 *
 * Cost while nobody listens: in the core, one load of the point's switch (u32 at VM_AREA.PROBES + 4 * number) and one predictable branch;
 * in JavaScript, one call of an empty function, which V8 inlines. Whoever has to compute an argument first asks `watched`.
 *
 * The points of disks and NICs (`io`, `vnic`) are those of devices alone. Their typed arguments are structures (`structures.ts`), which the device hands
 * over as bytes, and which are good in that firing; raw arg0 tells a request from all others.
 *
 * Leaves out the providers that are not static points (dtrace, profile and the guest's own): they belong to the tracer.
 *
 * @module
 */

import { BUFINFO, DEVINFO, FILEINFO, FRAMEINFO, NICINFO, type Structure } from './structures.ts';

/** One argument of a probe point: its D type and what it holds. */
export interface ProbeArg {
  readonly type: string;
  readonly name: string;
  /** The raw argument that it is, when that has another index. */
  readonly raw?: number;
}

/** One probe point. */
export interface ProbePoint {
  /** Number of its switch, and its index in `POINTS`. */
  readonly id: number;
  readonly provider: 'sdt';
  readonly module: 'kvm';
  /** Function of illumos KVM that fires it. */
  readonly func: string;
  readonly name: string;
  /** Arguments, at most five raw ones; later ones exist only in the typed `args[]`. */
  readonly args: readonly ProbeArg[];
  /** Another name it answers to. */
  readonly alias?: string;
  /** Not in illumos KVM. */
  readonly extension?: true;
  /** Index of the argument that JavaScript fires as two 32-bit halves, low first: it can exceed 2^53. */
  readonly wide?: number;
}

/** Numbers of the points: their switches' places and what `fire` takes. The order is part of a trace's format; add at the end. */
export const PROBE = {
  KVM_GUEST_ENTRY: 0,
  KVM_GUEST_EXIT: 1,
  KVM_VM_ENTRY: 2,
  KVM_VEXIT: 3,
  KVM_VRUN: 4,
  KVM_INJ_VIRQ: 5,
  KVM_INJ_EXCEPTION: 6,
  KVM_PIO: 7,
  KVM_MMIO_READ: 8,
  KVM_MMIO_WRITE: 9,
  KVM_MMIO_READ_UNSATISFIED: 10,
  KVM_PAGE_FAULT: 11,
  KVM_CR: 12,
  KVM_CR_READ: 13,
  KVM_CR_WRITE: 14,
  KVM_MSR_READ: 15,
  KVM_MSR_WRITE: 16,
  KVM_MSR_READ_EX: 17,
  KVM_MSR_WRITE_EX: 18,
  KVM_CPUID: 19,
  KVM_APIC_READ: 20,
  KVM_APIC_WRITE: 21,
  KVM_APIC_IPI: 22,
  KVM_APIC_ACCEPT_IRQ: 23,
  KVM_EOI: 24,
  KVM_PIC_SET_IRQ: 25,
  KVM_IOAPIC_SET_IRQ: 26,
  KVM_MSI_SET_IRQ: 27,
  KVM_ACK_IRQ: 28,
  KVM_HYPERCALL: 29,
} as const;

/** Numbers of the points whose arguments are structures; they follow those above. */
export const DEVICE_PROBE = {
  IO_START: 30,
  IO_DONE: 31,
  VNIC_TX: 32,
  VNIC_RX: 33,
  VNIC_DROP: 34,
} as const;

export type DeviceProbeNumber = (typeof DEVICE_PROBE)[keyof typeof DEVICE_PROBE];

/** A probe point's number. */
export type ProbeNumber = (typeof PROBE)[keyof typeof PROBE];

const table: ProbePoint[] = [];

/** `args` is a comma-separated list of `type name`, as a C prototype has it. */
function point(
  id: ProbeNumber,
  func: string,
  name: string,
  args: string,
  more: Pick<ProbePoint, 'alias' | 'extension' | 'wide'> = {},
): void {
  if (id !== table.length) throw new Error(`probe ${name}: number ${id} out of order`);
  const parsed = args.split(', ').map((arg) => {
    const cut = arg.lastIndexOf(' ');
    return { type: arg.slice(0, cut), name: arg.slice(cut + 1) };
  });
  table.push({ id, provider: 'sdt', module: 'kvm', func, name, args: parsed, ...more });
}

const extension = { extension: true } as const;

// In this order around one entry: inj-virq, guest-entry, vm-entry, vrun, (the guest runs), guest-exit, vexit, then the handler's own.
point(PROBE.KVM_GUEST_ENTRY, 'kvm_guest_enter', 'kvm-guest-entry', 'struct kvm_vcpu * vcpu');
point(PROBE.KVM_GUEST_EXIT, 'kvm_guest_exit', 'kvm-guest-exit', 'struct kvm_vcpu * vcpu');
point(PROBE.KVM_VM_ENTRY, 'vcpu_enter_guest', 'kvm-vm-entry', 'int vcpu_id');
point(PROBE.KVM_VEXIT, 'vmx_handle_exit', 'kvm-vexit', 'unsigned long rip, uint32_t exit_reason');
point(PROBE.KVM_VRUN, 'vmx_vcpu_run', 'kvm-vrun', 'unsigned long rip');
point(PROBE.KVM_INJ_VIRQ, 'vmx_inject_irq', 'kvm-inj-virq', 'int vector', { alias: 'inject_irq' });
point(
  PROBE.KVM_INJ_EXCEPTION,
  'vmx_queue_exception',
  'kvm-inj-exception',
  'uint8_t vector, int has_error_code, uint32_t error_code',
  extension,
);
point(PROBE.KVM_PIO, 'kvm_emulate_pio', 'kvm-pio', 'int is_write, uint16_t port, int size, uint32_t count, uint32_t value');
point(PROBE.KVM_MMIO_READ, 'emulator_read_emulated', 'kvm-mmio-read', 'uint32_t bytes, gpa_t gpa, uint64_t value');
point(PROBE.KVM_MMIO_WRITE, 'emulator_write_emulated_onepage', 'kvm-mmio-write', 'uint32_t bytes, gpa_t gpa, uint64_t value');
point(PROBE.KVM_MMIO_READ_UNSATISFIED, 'emulator_read_emulated', 'kvm-mmio-read-unsatisfied', 'uint32_t bytes, gpa_t gpa');
point(PROBE.KVM_PAGE_FAULT, 'handle_ept_violation', 'kvm-page-fault', 'uintptr_t address, uint64_t error_code');
point(PROBE.KVM_CR, 'handle_cr', 'kvm-cr', 'int cr, int register, int operation');
point(PROBE.KVM_CR_READ, 'handle_cr', 'kvm-cr-read', 'int cr, unsigned long value');
point(PROBE.KVM_CR_WRITE, 'handle_cr', 'kvm-cr-write', 'int cr, unsigned long value');
point(PROBE.KVM_MSR_READ, 'handle_rdmsr', 'kvm-msr-read', 'uint32_t index, uint64_t value');
point(PROBE.KVM_MSR_WRITE, 'handle_wrmsr', 'kvm-msr-write', 'uint32_t index, uint64_t value');
point(PROBE.KVM_MSR_READ_EX, 'handle_rdmsr', 'kvm-msr-read-ex', 'uint32_t index');
point(PROBE.KVM_MSR_WRITE_EX, 'handle_wrmsr', 'kvm-msr-write-ex', 'uint32_t index, uint64_t value');
point(
  PROBE.KVM_CPUID,
  'kvm_emulate_cpuid',
  'kvm-cpuid',
  'uint32_t leaf, uint32_t subleaf, uint32_t eax, uint32_t ebx, uint32_t ecx, uint32_t edx',
  extension,
);
point(PROBE.KVM_APIC_READ, 'apic_reg_read', 'kvm-apic-read', 'uint32_t register, uint32_t value');
point(PROBE.KVM_APIC_WRITE, 'apic_reg_write', 'kvm-apic-write', 'uint32_t register, uint32_t value');
point(PROBE.KVM_APIC_IPI, 'apic_send_ipi', 'kvm-apic-ipi', 'uint32_t icr_low, uint32_t destination');
point(
  PROBE.KVM_APIC_ACCEPT_IRQ,
  '__apic_accept_irq',
  'kvm-apic-accept-irq',
  'uint32_t apic_id, uint32_t delivery_mode, uint32_t trigger_mode, uint32_t vector',
  extension,
);
point(PROBE.KVM_EOI, 'apic_set_eoi', 'kvm-eoi', 'uint32_t apic_id, uint32_t vector', extension);
point(PROBE.KVM_PIC_SET_IRQ, 'kvm_pic_set_irq', 'kvm-pic-set-irq', 'int chip, int pin, uint8_t elcr, uint8_t imr, int coalesced');
point(PROBE.KVM_IOAPIC_SET_IRQ, 'kvm_ioapic_set_irq', 'kvm-ioapic-set-irq', 'uint64_t entry, int irq, int coalesced', { wide: 0 });
point(PROBE.KVM_MSI_SET_IRQ, 'kvm_set_msi', 'kvm-msi-set-irq', 'uint64_t address, uint64_t data');
point(PROBE.KVM_ACK_IRQ, 'kvm_notify_acked_irq', 'kvm-ack-irq', 'uint32_t irqchip, uint32_t pin');
point(
  PROBE.KVM_HYPERCALL,
  'kvm_emulate_hypercall',
  'kvm-hypercall',
  'unsigned long nr, unsigned long a0, unsigned long a1, unsigned long a2, unsigned long a3',
);

/** Every point of the sdt provider; its index is its number. */
export const POINTS: readonly ProbePoint[] = table;

/** A point whose typed arguments are structures. */
export interface DevicePoint {
  readonly id: number;
  readonly provider: 'io' | 'vnic';
  readonly module: '';
  readonly func: string;
  readonly name: string;
  readonly args: readonly ProbeArg[];
  /** What args[0] and those that follow point to. */
  readonly structures: readonly Structure[];
}

function devicePoint(
  id: DeviceProbeNumber,
  provider: 'io' | 'vnic',
  func: string,
  name: string,
  structures: readonly Structure[],
): DevicePoint {
  const args = structures.map(({ tag }, i) => ({ type: `${tag}_t *`, name: tag, raw: i + 1 }));
  return { id, provider, module: '', func, name, args, structures };
}

/** The points of disks and NICs, by number. */
export const DEVICE_POINTS: readonly DevicePoint[] = [
  devicePoint(DEVICE_PROBE.IO_START, 'io', 'blk', 'start', [BUFINFO, DEVINFO, FILEINFO]),
  devicePoint(DEVICE_PROBE.IO_DONE, 'io', 'blk', 'done', [BUFINFO, DEVINFO, FILEINFO]),
  devicePoint(DEVICE_PROBE.VNIC_TX, 'vnic', 'net', 'tx', [FRAMEINFO, NICINFO]),
  devicePoint(DEVICE_PROBE.VNIC_RX, 'vnic', 'net', 'rx', [FRAMEINFO, NICINFO]),
  devicePoint(DEVICE_PROBE.VNIC_DROP, 'vnic', 'net', 'drop', [FRAMEINFO, NICINFO]),
];

/** How many switches there are. */
export const POINTS_ALL = POINTS.length + DEVICE_POINTS.length;

/**
 * What a firing calls. Values are numbers below 2^53, never BigInts, because this is on the path of every exit; a point's `wide` argument
 * takes two of the five places.
 */
export type ProbeSink = (probe: number, arg0: number, arg1: number, arg2: number, arg3: number, arg4: number) => void;

/** Bytes of a frame that a D program can read. */
export const FRAME_CAPTURED = 0xc000;

/** What takes the firings of `DEVICE_POINTS`. */
export interface DeviceSink {
  enabled(probe: DeviceProbeNumber): boolean;
  /** `structures`: the point's, one after the other as `placesOf` says. `frame`: what frameinfo's address points to, at most FRAME_CAPTURED of it. */
  fire(probe: DeviceProbeNumber, arg0: number, structures: Uint8Array, frame?: Uint8Array): void;
}

let sink: ProbeSink | null = null;
let deviceSink: DeviceSink | null = null;

/** True while somebody listens: ask before computing an argument that costs something. */
export function watched(): boolean {
  return sink !== null;
}

/** Fires a probe point. Missing arguments are 0. Does nothing unless a consumer is installed. */
export function fire(probe: ProbeNumber, arg0 = 0, arg1 = 0, arg2 = 0, arg3 = 0, arg4 = 0): void {
  if (sink !== null) sink(probe, arg0, arg1, arg2, arg3, arg4);
}

/** True while somebody wants a point whose arguments are structures: ask before making them. */
export function wanted(probe: DeviceProbeNumber): boolean {
  return deviceSink !== null && deviceSink.enabled(probe);
}

/** Fires such a point; see `DeviceSink`. */
export function fireWith(probe: DeviceProbeNumber, arg0: number, structures: Uint8Array, frame?: Uint8Array): void {
  deviceSink?.fire(probe, arg0, structures, frame);
}

/**
 * Installs the consumer of this thread, or removes it with null. There is one: the tracer, which filters by the switches of the VM that
 * runs. Returns the one before, so that a test can put it back.
 */
export function listen(consumer: ProbeSink | null, devices: DeviceSink | null = null): ProbeSink | null {
  const before = sink;
  sink = consumer;
  deviceSink = devices;
  return before;
}

/** The switches of one VM's points: u32 each in the VM's shared memory, one bit for each consumer, 0 = off; the core tests them with one load. */
export class ProbeSwitches {
  readonly #switches: Uint32Array;

  /** `at`: address of the first switch, VM_BASE + VM_AREA.PROBES. */
  constructor(buffer: ArrayBufferLike, at: number) {
    this.#switches = new Uint32Array(buffer, at, POINTS_ALL);
  }

  enable(probe: ProbeNumber | DeviceProbeNumber, consumer: number): void {
    Atomics.or(this.#switches, probe, 1 << consumer);
  }

  /** Takes a consumer's bit out of all of them. */
  disableAll(consumer: number): void {
    for (let probe = 0; probe < POINTS_ALL; probe++) Atomics.and(this.#switches, probe, ~(1 << consumer));
  }

  /** Somebody has it enabled. */
  enabled(probe: number): boolean {
    return this.#switches[probe] !== 0;
  }
}
