/**
 * A virtual machine: memory, buses, time, interrupt lines and vCPUs, in the shape of KVM's VM file descriptor.
 *
 * Theory. One shared WebAssembly memory holds the engine's state and guest RAM; one instance of the CPU core works on it. What the core
 * cannot answer itself it asks through its imports, which are bound here: ports and MMIO go to the buses, MSRs and interrupt acknowledgement
 * to the interrupt controllers ("irqchip"). Time is the running vCPU's (`clock.ts`). A VM without an irqchip hands HLT out of `run()`; with
 * one, HLT waits for the next deadline here, by moving the clock to it.
 *
 * Nothing in this file knows of a board: `machine.ts` is one client of this API, an embedding program is another.
 *
 * @module
 */
import { type DeviceState, type Saveable, StateError } from './bus.ts';
import { VmClock } from './clock.ts';
import { CALL, compileCore, compileCoreSync, type CoreExports, createMemory, instantiateCore } from './cpu/core.ts';
import { ARCH_CAPABILITIES, type CpuModel, defaultCpuid, type Feature, isaOf, modelFeatures } from './cpu/cpuid.ts';
import { ProbeGate } from './cpu/probe-gate.ts';
import { LAYOUT_HASH, LAYOUT_VERSION, MEMORY_MAP, offsetOf, TURNS, VM_AREA, VCPUS_MAX, WATCH_MAX } from './cpu/layout.ts';
import { type CpuidEntry, EVENT } from './cpu/registers.ts';
import { SLICE, Vcpu, type VcpuHost } from './cpu/vcpu.ts';
import { costsByReason, DEFAULT_EXIT_COSTS, type ExitCosts } from './exit-cost/modelled.ts';
import type { Intercepts } from './intercepts.ts';
import { Irqchip } from './interrupts.ts';
import { KstatRegistry } from './kstat.ts';
import { clockWords, exitsKstat, engineKstat, irqsKstat, vcpuKstat, vmKstat } from './kvm-kstats.ts';
import { GuestRam, HIGH_RAM_BASE, type MemorySlot, parseMemorySize, standardSlots } from './memory.ts';
import { MmioRegions } from './mmio-bus.ts';
import { IoPorts, type Unclaimed } from './port-bus.ts';
import { captureVcpu, capturePages, restorePages, restoreVcpu, type SavedPages, type SavedVcpu } from './snapshot.ts';

/** What a VM is made of. */
export interface VmOptions {
  /** Guest RAM: `256M`, `1G`, or bytes. */
  readonly memory: string | number;
  /** Names the VM in its kstats and reports. */
  readonly name?: string;
  /** Its number in kstat names; default: counts the VMs of the process from 0. A monitor whose VMs others find takes one from `claimVm`. */
  readonly vmid?: number;
  /** RAM that the guest does not see, such as the VGA window. */
  readonly hole?: { readonly gpa: number; readonly bytes: number };
  /** What stands read-only below 4 GiB, where processors start. */
  readonly rom?: Uint8Array;
  readonly exitCosts?: ExitCosts;
  /** Exits to add to the default ones; see `parseIntercepts`. */
  readonly intercepts?: Intercepts;
  /** What becomes of accesses that no device claims: `exit` (default) leaves `run()`, `float` reads all ones. */
  readonly unclaimed?: Unclaimed;
  /** The CPUID table that the VM starts with: a model, or features one by one; default `max`, all that the core executes. `setCpuid` replaces it. */
  readonly cpu?: CpuModel | readonly Feature[];
  /** Of what is random in its processors, 32 bits; default 0. */
  readonly seed?: number;
}

/** Something with a state too large for numbers in an object. */
export interface SavedBytes {
  saveBytes(): Uint8Array;
  /** Throws StateError when these are not bytes that `saveBytes` returned. */
  restoreBytes(bytes: Uint8Array): void;
}

/** A VM taken out of a process: plain data and byte arrays, fit for `structuredClone`. */
export interface SavedVm {
  readonly format: 'lucid-vm';
  readonly layoutVersion: number;
  readonly layoutHash: number;
  readonly ramBytes: number;
  readonly slots: readonly MemorySlot[];
  readonly vcpus: readonly SavedVcpu[];
  readonly pages: SavedPages;
  readonly cpuid: readonly CpuidEntry[];
  readonly intercepts: Intercepts;
  readonly devices: Readonly<Record<string, DeviceState>>;
}

/** Deadlines that may pass while a vCPU is halted before it counts as halted for ever. */
const QUIET_MAX = 200_000;
/** The same with interrupts disabled: only an NMI or INIT could end it. */
const DEAF_MAX = 64;
const DEAF = 'halted with interrupts disabled';
/** How often an idle VM looks outside: every so many deadlines. */
const IDLE_LOOK = 64;

/** One virtual machine. */
export class Vm implements VcpuHost {
  readonly name: string;
  readonly memory: WebAssembly.Memory;
  readonly u32: Uint32Array;
  readonly core: CoreExports;
  readonly ram: GuestRam;
  readonly clock: VmClock;
  readonly ports: IoPorts;
  readonly mmio: MmioRegions;
  readonly vcpus: Vcpu[] = [];
  /** Number of this VM. */
  readonly vmid: number;
  /** Where a tracer has itself called by the probe points in the core. */
  readonly probeGate = new ProbeGate();
  /** The VM's counters, under illumos KVM's names. */
  readonly kstats: KstatRegistry;
  /** The interrupt controllers, when there are any: see `createIrqchip`. */
  irqchip: Irqchip | undefined;
  /** Instructions between two calls of `onSlice`. */
  slice = SLICE;
  /** Called at slice ends, the VM's only look outside. True makes `run()` return 'intr'. */
  onSlice: (() => boolean) | undefined;
  /**
   * Called when every vCPU is halted, with the time of the next deadline (Infinity: none). Returns the time up to which idle time may pass
   * now, at most that; -1 = leave `run()` with 'intr'; NaN = nothing will ever come from outside. Without it idle time is skipped.
   */
  onIdle: ((until: number) => number) | undefined;
  /** There is no more room in the exit log: `exit-log/keeper.ts`. */
  onExitLogFull: (() => void) | undefined;
  /** A watched address is reached; its instruction is next. */
  onWatch: ((vcpu: number) => void) | undefined;
  /** The guest wrote a byte to a console that no exit of its own shows: a virtio console. */
  onConsoleByte: ((byte: number) => void) | undefined;
  /** `onSlice` or `onIdle` asked to leave. */
  stopping = false;
  /** Why a halted vCPU will never run again. */
  haltDetail = '';
  /** Bytes that a snapshot file keeps beside the devices' state, by name. */
  readonly blobs = new Map<string, SavedBytes>();
  /** What has to be done before a snapshot is taken: what is outside the VM must be as the snapshot knows it. */
  readonly beforeSave: (() => void)[] = [];
  readonly #devices = new Map<string, Saveable>();
  readonly #seed: number;
  #cpuid: readonly CpuidEntry[] = [];
  #takesTurns = false;
  #intercepts: Intercepts;

  /** Makes a VM; compiles the CPU core if this is the first of the process. Throws MemorySizeError, CoreError. */
  static async create(options: VmOptions): Promise<Vm> {
    return new Vm(options, await compileCore());
  }

  /** The same without waiting. */
  static createSync(options: VmOptions): Vm {
    return new Vm(options, compileCoreSync());
  }

  private constructor(options: VmOptions, module: WebAssembly.Module) {
    const bytes = parseMemorySize(options.memory);
    this.name = options.name ?? 'vm';
    this.vmid = options.vmid ?? vmids++;
    const rom = Math.ceil((options.rom?.length ?? 0) / PAGE) * PAGE;
    this.memory = createMemory(bytes + rom);
    this.kstats = new KstatRegistry({
      buffer: this.memory.buffer,
      clock: clockWords(),
      mirror: { at: MEMORY_MAP.TRACE, end: MEMORY_MAP.TRACE + KSTAT_MIRROR },
    });
    this.u32 = new Uint32Array(this.memory.buffer);
    this.ram = new GuestRam(this.memory, bytes, rom);
    const costs = options.exitCosts ?? DEFAULT_EXIT_COSTS;
    const unclaimed = options.unclaimed ?? 'exit';
    const ports = new IoPorts(this.u32, costs, unclaimed);
    const mmio = new MmioRegions(this.u32, costs, unclaimed);
    this.ports = ports;
    this.mmio = mmio;
    this.clock = new VmClock(this.u32, MEMORY_MAP.VCPU_BASE);
    this.core = instantiateCore(module, this.memory, {
      pio: (cpu, port, size, write) => ports.access(cpu, port, size, write),
      mmio: (cpu, gpaLow, gpaHigh, size, write) => mmio.access(cpu, gpaLow, gpaHigh, size, write),
      msr: (cpu, index, write) => this.#msr(cpu, index, write),
      intack: (cpu) => this.irqchip?.acknowledge(cpu) ?? -1,
      tprWritten: (cpu) => this.irqchip?.taskPriorityWritten(vcpuIndex(cpu), this.u32[(cpu + CR8) >>> 2]),
      ferr: () => this.irqchip?.ferr(),
      exitLog: () => this.onExitLogFull?.(),
      watch: (cpu) => this.onWatch?.(vcpuIndex(cpu)),
      probe: this.probeGate.probe,
    });
    this.ram.written = (host, length) => this.core.dmaWritten(host, length);
    this.ram.setSlots([...standardSlots(bytes, options.hole), ...romSlot(bytes, rom)]);
    if (options.rom !== undefined) this.ram.bytes.set(options.rom, MEMORY_MAP.RAM_BASE + bytes + rom - options.rom.length);
    this.u32.set(costsByReason(costs), (MEMORY_MAP.VM_BASE + VM_AREA.EXIT_COST) >>> 2);
    this.#intercepts = options.intercepts ?? { switches: 0, exceptions: 0 };
    this.#storeIntercepts();
    this.#seed = options.seed ?? 0;
    const cpu = options.cpu ?? 'max';
    this.#storeCpuid(defaultCpuid(0, 1, typeof cpu === 'string' ? modelFeatures(cpu) : cpu));
    this.kstats.add(vmKstat(this.#kstatOwner()));
  }

  #kstatOwner(): Parameters<typeof vmKstat>[0] {
    return { vmid: this.vmid, pid: process.pid, zonename: this.name, crtime: 0 };
  }

  /** Makes vCPU `index`, the next one, in its power-on state. */
  createVcpu(index: number): Vcpu {
    if (index !== this.vcpus.length || index >= VCPUS_MAX)
      throw new RangeError(`vCPU ${index}: the next one is ${this.vcpus.length}, of at most ${VCPUS_MAX}`);
    const vcpu = new Vcpu(this, index, MEMORY_MAP.VCPU_BASE + index * MEMORY_MAP.VCPU_STRIDE);
    this.vcpus.push(vcpu);
    vcpu.reset();
    vcpu.seedRandom(this.#seed);
    for (const kstat of [vcpuKstat, exitsKstat, irqsKstat, engineKstat]) this.kstats.add(kstat(this.#kstatOwner(), index));
    return vcpu;
  }

  /** Retired by all vCPUs. */
  get instructions(): number {
    let sum = 0;
    for (const vcpu of this.vcpus) sum += vcpu.instructions;
    return sum;
  }

  /**
   * Watches these linear addresses and no others: before an instruction at one of them runs, the exit log gets a record and `onWatch` is called. The guest
   * does not notice. Between two instructions only. Throws RangeError for more than WATCH_MAX.
   */
  watch(addresses: readonly bigint[]): void {
    if (addresses.length > WATCH_MAX) throw new RangeError(`${addresses.length} addresses to watch: at most ${WATCH_MAX}`);
    const words = new BigUint64Array(this.memory.buffer, MEMORY_MAP.VM_BASE + VM_AREA.WATCH, WATCH_MAX);
    words.set(addresses);
    this.u32[(MEMORY_MAP.VM_BASE + VM_AREA.WATCH_COUNT) >>> 2] = addresses.length;
    // Code that was decoded for addresses which are watched no more stays right.
    if (addresses.length > 0) this.core.dropAllCode();
  }

  /** Adds local APICs, an IOAPIC and the 8259s, as KVM_CREATE_IRQCHIP; after the vCPUs. From then on HLT waits inside the VM. */
  createIrqchip(): Irqchip {
    if (this.irqchip !== undefined) throw new Error('the VM has an irqchip already');
    this.irqchip = new Irqchip(this);
    return this.irqchip;
  }

  /** Replaces the memory slots, as KVM_SET_USER_MEMORY_REGION one by one. */
  setMemorySlots(slots: readonly MemorySlot[]): void {
    this.ram.setSlots(slots);
    this.core.dropAllCode();
    for (const vcpu of this.vcpus) this.core.tlbFlush(vcpu.base, 1);
  }

  /** Chooses which optional events exit. */
  setIntercepts(intercepts: Intercepts): void {
    this.#intercepts = intercepts;
    this.#storeIntercepts();
    this.core.dropAllCode();
  }

  /** Several vCPUs run on this thread (`turns.ts`): one that halts leaves `run()` at once. */
  get takesTurns(): boolean {
    return this.#takesTurns;
  }

  set takesTurns(several: boolean) {
    this.#takesTurns = several;
    this.#storeIntercepts();
  }

  #storeIntercepts(): void {
    this.u32[(MEMORY_MAP.VM_BASE + VM_AREA.INTERCEPT) >>> 2] = this.#intercepts.switches | (this.#takesTurns ? TURNS : 0);
    this.u32[(MEMORY_MAP.VM_BASE + VM_AREA.EXC_BITMAP) >>> 2] = this.#intercepts.exceptions;
  }

  get cpuid(): readonly CpuidEntry[] {
    return this.#cpuid;
  }

  /**
   * Replaces the CPUID table, as KVM_SET_CPUID2. A row for subleaf `undefined` answers every subleaf that has no row of its own. Instructions
   * and control bits of features that it does not enumerate are not there.
   */
  setCpuid(entries: readonly CpuidEntry[]): void {
    this.#storeCpuid(entries);
    this.core.dropAllCode();
  }

  #storeCpuid(entries: readonly CpuidEntry[]): void {
    const room = (VM_AREA.PROBES - VM_AREA.CPUID) / CPUID_ROW;
    if (entries.length > room) throw new RangeError(`${entries.length} CPUID rows: at most ${room}`);
    // The core takes the first row that fits.
    const sorted = [...entries].sort((a, b) => Number(a.subleaf === undefined) - Number(b.subleaf === undefined));
    this.#cpuid = sorted.map((e) => ({ ...e }));
    const word = (offset: number): number => (MEMORY_MAP.VM_BASE + offset) >>> 2;
    sorted.forEach((e, i) => {
      const row = [e.leaf, e.subleaf ?? ANY_SUBLEAF, e.eax, e.ebx, e.ecx, e.edx];
      this.u32.set(row, word(VM_AREA.CPUID + i * CPUID_ROW));
    });
    this.u32[word(VM_AREA.CPUID_COUNT)] = entries.length;
    const isa = isaOf(entries);
    this.u32.set([Number(isa & 0xffff_ffffn), Number(isa >> 32n)], word(VM_AREA.ISA));
  }

  /** Asks `run()` to return 'system-event' at the next instruction boundary. For devices: power-off, reset. */
  stop(): void {
    for (const vcpu of this.vcpus) vcpu.raise(EVENT.STOP);
  }

  /** Sets an interrupt line, as KVM_IRQ_LINE. */
  irqLine(gsi: number, level: boolean): void {
    this.irqchip?.line(gsi).set(level);
  }

  /** Delivers a message-signalled interrupt, as KVM_SIGNAL_MSI; returns the number of local APICs that took it. */
  signalMsi(address: number, data: number): number {
    return this.irqchip?.msi(address, data) ?? 0;
  }

  /** Registers a device whose state is part of the VM's. */
  addSaveable(name: string, device: Saveable): void {
    if (this.#devices.has(name)) throw new Error(`two devices are named ${name}`);
    this.#devices.set(name, device);
  }

  /**
   * A vCPU is halted: lets idle time pass until it has something to do. True when it is awake; false when it is to leave `run()`, because
   * the outside asked (`stopping`) or because nothing can wake it (`haltDetail`).
   */
  waitForEvent(vcpu: Vcpu): boolean {
    if (this.takesTurns) {
      this.stopping = false;
      return false;
    }
    return this.#wait([vcpu]);
  }

  /** The same when all of several vCPUs are halted. */
  waitForAny(): boolean {
    return this.#wait(this.vcpus);
  }

  #wait(vcpus: readonly Vcpu[]): boolean {
    this.stopping = false;
    for (let quiet = 0; ; quiet++) {
      if (vcpus.some((v) => v.ready)) return true;
      const listening = vcpus.some((v) => v.interruptsEnabled);
      const reason = neverWakes(listening, quiet);
      if (reason !== undefined) {
        this.haltDetail = reason;
        return false;
      }
      if (quiet % IDLE_LOOK === IDLE_LOOK - 1 && this.onSlice?.() === true) {
        this.stopping = true;
        return false;
      }
      const until = this.onIdle === undefined ? this.clock.next : this.onIdle(this.clock.next);
      if (Number.isNaN(until) || until === Number.POSITIVE_INFINITY) {
        this.haltDetail = listening ? 'halted, with no timer armed and no input attached' : DEAF;
        return false;
      }
      if (until < 0) {
        this.stopping = true;
        return false;
      }
      this.clock.advance(until);
      if (this.clock.fireDue() === 0 && this.onIdle !== undefined) quiet = Math.min(quiet, IDLE_LOOK);
    }
  }

  /** The core's `msr` import: what it does not keep itself. */
  #msr(cpu: number, index: number, write: number): number {
    const data = (cpu + IO_DATA) >>> 2;
    const u32 = this.u32;
    if (write !== 0 && (index === IA32_TIME_STAMP_COUNTER || index === IA32_TSC_ADJUST)) {
      // The core keeps these; an armed TSC deadline falls at another time now.
      this.irqchip?.tscMoved(vcpuIndex(cpu));
      return CALL.DONE;
    }
    const handled = this.irqchip?.msr(cpu, index >>> 0, u32, data, write !== 0);
    if (handled !== undefined) return handled ? CALL.DONE : CALL.REFUSED;
    if (index === IA32_ARCH_CAPABILITIES && write === 0) {
      u32[data] = ARCH_CAPABILITIES;
      u32[data + 1] = 0;
      return CALL.DONE;
    }
    return CALL.REFUSED;
  }

  /** For `Vcpu.getMsr`: MSRs that a device keeps. */
  readMsr(vcpu: Vcpu, index: number): bigint | undefined {
    if (this.#msr(vcpu.base, index, 0) !== CALL.DONE) return undefined;
    return vcpu.state.get('IO_DATA');
  }

  writeMsr(vcpu: Vcpu, index: number, value: bigint): boolean {
    vcpu.state.set('IO_DATA', value);
    return this.#msr(vcpu.base, index, 1) === CALL.DONE;
  }

  /** Takes the whole VM out, at an instruction boundary (after `run()` returned 'intr', 'hlt' or 'system-event'). */
  saveState(): SavedVm {
    const devices: Record<string, DeviceState> = {};
    for (const [name, device] of this.#devices) devices[name] = device.save();
    return {
      format: 'lucid-vm',
      layoutVersion: LAYOUT_VERSION,
      layoutHash: LAYOUT_HASH,
      ramBytes: this.ram.backing,
      slots: this.ram.slots,
      vcpus: this.vcpus.map((v) => captureVcpu(this.memory, v.base)),
      pages: capturePages(this.memory, this.ram.backing),
      cpuid: this.#cpuid,
      intercepts: this.#intercepts,
      devices,
    };
  }

  /** Puts a state back into a VM of the same shape. Throws StateError when it does not fit; the VM is then not to be run. */
  restoreState(saved: SavedVm): void {
    if (saved.format !== 'lucid-vm' || saved.layoutVersion !== LAYOUT_VERSION || saved.layoutHash !== LAYOUT_HASH) {
      throw new StateError('saved by another version of Lucid: the state layout differs');
    }
    if (saved.ramBytes !== this.ram.backing)
      throw new StateError(`saved with ${saved.ramBytes} bytes of RAM and ROM, this VM has ${this.ram.backing}`);
    if (saved.vcpus.length !== this.vcpus.length)
      throw new StateError(`saved with ${saved.vcpus.length} vCPUs, this VM has ${this.vcpus.length}`);
    this.ram.setSlots(saved.slots);
    this.setCpuid(saved.cpuid);
    this.setIntercepts(saved.intercepts);
    this.core.dropAllCode();
    restorePages(this.memory, this.ram.backing, saved.pages);
    this.vcpus.forEach((v, i) => {
      v.reset();
      restoreVcpu(this.memory, v.base, saved.vcpus[i] as SavedVcpu);
      this.core.modeChanged(v.base);
    });
    this.clock.refresh();
    for (const [name, device] of this.#devices) {
      const state = saved.devices[name];
      if (state === undefined) throw new StateError(`no saved state of ${name}`);
      device.restore(state);
    }
    this.irqchip?.restored();
  }
}

/** Why vCPUs that have been halted over `quiet` deadlines will never run again. */
function neverWakes(listening: boolean, quiet: number): string | undefined {
  if (!listening && quiet >= DEAF_MAX) return DEAF;
  if (quiet >= QUIET_MAX) return `halted: ${QUIET_MAX} timer events passed and none of them is an interrupt that it would take`;
  return undefined;
}

const PAGE = 4096;

/** The slot of a ROM that ends at 4 GiB and is kept behind the RAM. */
function romSlot(ramBytes: number, romBytes: number): MemorySlot[] {
  if (romBytes === 0) return [];
  return [{ gpa: HIGH_RAM_BASE - romBytes, bytes: romBytes, host: MEMORY_MAP.RAM_BASE + ramBytes, readOnly: true }];
}

let vmids = 0;
/** Bytes for the kstats that JavaScript counts, at the head of the trace area. */
const KSTAT_MIRROR = 0x1000;
const CPUID_ROW = 24;
const ANY_SUBLEAF = 0xffff_ffff;
const IO_DATA = offsetOf('IO_DATA');
const CR8 = offsetOf('CR8');

function vcpuIndex(cpu: number): number {
  return (cpu - MEMORY_MAP.VCPU_BASE) / MEMORY_MAP.VCPU_STRIDE;
}
const IA32_TIME_STAMP_COUNTER = 0x10;
const IA32_TSC_ADJUST = 0x3b;
const IA32_ARCH_CAPABILITIES = 0x10a;
