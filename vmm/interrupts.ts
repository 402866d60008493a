/**
 * The interrupt controllers of a VM and the wires between them: KVM's "irqchip".
 *
 * A local APIC per vCPU, one IOAPIC, the two 8259s. A board's interrupt line (GSI) goes where the routing table says; the default is a PC's:
 * lines 0-15 to the same input of the 8259s and of the IOAPIC, but line 0 (the timer) to IOAPIC input 2 (ACPI's interrupt source override), lines
 * 16-23 to the IOAPIC alone. The 8259s' output is LINT0 of the first local APIC. Whatever asks for the vCPU's attention ends as a bit of
 * its EVENT word, where the core sees it at the next instruction boundary.
 *
 * @module
 */
import { ApicBus } from '../devices/apic-bus.ts';
import { Ioapic, IOAPIC_BYTES, IOAPIC_PINS } from '../devices/ioapic.ts';
import { Lapic, MSR_APIC_BASE, MSR_TSC_DEADLINE, MSR_X2APIC_FIRST, MSR_X2APIC_LAST } from '../devices/lapic.ts';
import { ELCR_PORT, Pic, PIC_MASTER_PORT, PIC_SLAVE_PORT } from '../devices/pic.ts';
import { fire, PROBE } from '../probes/points.ts';
import type { IrqLine } from './bus.ts';
import { MEMORY_MAP, offsetOf, VM_AREA } from './cpu/layout.ts';
import { EVENT } from './cpu/registers.ts';
import type { Vcpu } from './cpu/vcpu.ts';
import type { Vm } from './vm.ts';

export const IOAPIC_BASE = 0xfec0_0000;
const BASE_ENABLED = 0x800;
const BASE_X2APIC = 0x400;
/** The line that FERR# drives on a PC/AT. */
const FERR_LINE = 13;
/** Lines of the 8259s. */
const PIC_LINES = 16;
const CASCADE = 2;

/** Where one line goes. */
export interface Route {
  readonly pic?: number;
  readonly ioapic?: number;
  readonly msi?: { readonly address: number; readonly data: number };
}

/** The routing table of a PC. */
export function standardRoutes(): Route[] {
  return Array.from({ length: IOAPIC_PINS }, (_, line): Route => {
    if (line === 0) return { pic: 0, ioapic: 2 };
    if (line === CASCADE) return {};
    return line < PIC_LINES ? { pic: line, ioapic: line } : { ioapic: line };
  });
}

/** The controllers of one VM. Made after its vCPUs. */
export class Irqchip {
  readonly bus: ApicBus;
  readonly lapics: Lapic[];
  readonly ioapic: Ioapic;
  readonly pic: Pic;
  /** Port 70h bit 7: NMIs from the board are held back. */
  nmiMasked = false;
  readonly #vm: Vm;
  readonly #levels = new Uint8Array(256);
  #routes: Route[] = [];
  #lines: IrqLine[] = [];

  constructor(vm: Vm) {
    this.#vm = vm;
    if (vm.vcpus.length === 0) throw new Error('an irqchip needs the vCPUs made before it');
    this.bus = new ApicBus({ trace: { msiSetIrq: (address, data) => fire(PROBE.KVM_MSI_SET_IRQ, address, data) } });
    this.lapics = vm.vcpus.map((vcpu) => this.#makeLapic(vcpu));
    this.ioapic = new Ioapic({
      bus: this.bus,
      trace: {
        ioapicSetIrq: (high, low, irq, coalesced) => fire(PROBE.KVM_IOAPIC_SET_IRQ, low, high, irq, coalesced),
        ackIrq: (chip, pin) => fire(PROBE.KVM_ACK_IRQ, chip, pin),
      },
    });
    this.bus.addIoapic(this.ioapic);
    const lint0 = this.#first.lint(0);
    this.pic = new Pic({
      intr: (level) => lint0.set(level),
      trace: {
        picSetIrq: (chip, pin, elcr, imr, coalesced) => fire(PROBE.KVM_PIC_SET_IRQ, chip, pin, elcr, imr, coalesced),
        ackIrq: (chip, pin) => fire(PROBE.KVM_ACK_IRQ, chip, pin),
      },
    });
    vm.ports.addPorts(PIC_MASTER_PORT, 2, this.pic, 'pic');
    vm.ports.addPorts(PIC_SLAVE_PORT, 2, this.pic, 'pic');
    vm.ports.addPorts(ELCR_PORT, 2, this.pic, 'pic');
    vm.mmio.addMmio(IOAPIC_BASE, IOAPIC_BYTES, this.ioapic, 'ioapic');
    this.setRouting(standardRoutes());
    this.lapics.forEach((lapic, i) => {
      this.bus.addLocalApic(lapic);
      vm.addSaveable(`lapic${i}`, lapic);
    });
    vm.addSaveable('ioapic', this.ioapic);
    vm.addSaveable('pic', this.pic);
    this.#placePage();
  }

  get #first(): Lapic {
    return this.lapics[0];
  }

  #makeLapic(vcpu: Vcpu): Lapic {
    const vm = this.#vm;
    const tsc = (vcpu.base + offsetOf('TSC_OFFSET')) >>> 2;
    const cr8 = (vcpu.base + offsetOf('CR8')) >>> 2;
    return new Lapic({
      id: vcpu.index,
      bootstrap: vcpu.index === 0,
      clock: vm.clock,
      bus: this.bus,
      tsc: { lo: () => vm.u32[tsc], hi: () => vm.u32[tsc + 1] },
      cpu: {
        intr: (level) => (level ? vcpu.raise(EVENT.INTR) : vcpu.clear(EVENT.INTR)),
        nmi: () => this.#nmi(vcpu),
        // System management mode is not there: an SMI is lost, as on a part whose SMI# is tied high.
        smi: () => {},
        init: () => vcpu.raise(EVENT.INIT),
        sipi: (vector) => vcpu.startup(vector),
        tprChanged: (value) => {
          vm.u32[cr8] = value;
          vm.u32[cr8 + 1] = 0;
        },
        apicBaseChanged: () => this.#placePage(),
        extIntAck: () => this.pic.ack(),
      },
      trace: {
        apicRead: (register, value) => fire(PROBE.KVM_APIC_READ, register, value),
        apicWrite: (register, value) => fire(PROBE.KVM_APIC_WRITE, register, value),
        apicAcceptIrq: (id, mode, trigger, vector) => fire(PROBE.KVM_APIC_ACCEPT_IRQ, id, mode, trigger, vector),
        eoi: (id, vector) => fire(PROBE.KVM_EOI, id, vector),
        apicIpi: (low, destination) => fire(PROBE.KVM_APIC_IPI, low, destination),
      },
    });
  }

  #nmi(vcpu: Vcpu): void {
    if (!this.nmiMasked) vcpu.raise(EVENT.NMI);
  }

  /** Replaces the routing table, as KVM_SET_GSI_ROUTING; index = line. */
  setRouting(routes: readonly Route[]): void {
    this.#routes = [...routes];
    const none: IrqLine = { set() {} };
    const pins = routes.map(({ pic, ioapic }) => ({
      pic: pic === undefined ? none : this.pic.line(pic),
      ioapic: ioapic === undefined ? none : this.ioapic.line(ioapic),
    }));
    this.#lines = pins.map(({ pic, ioapic }, line) => ({
      set: (level: boolean): void => {
        const rises = level && this.#levels[line] === 0;
        this.#levels[line] = level ? 1 : 0;
        pic.set(level);
        ioapic.set(level);
        const msi = this.#routes[line].msi;
        if (rises && msi !== undefined) this.bus.msi(msi.address, msi.data);
      },
    }));
  }

  /** An interrupt line of the board. */
  line(gsi: number): IrqLine {
    const line = this.#lines[gsi];
    if (line === undefined) throw new RangeError(`interrupt line ${gsi}: the board has 0 to ${this.#lines.length - 1}`);
    return line;
  }

  msi(address: number, data: number): number {
    return this.bus.msi(address, data);
  }

  /** The core's `intack` import. */
  acknowledge(cpu: number): number {
    return this.lapics[(cpu - MEMORY_MAP.VCPU_BASE) / MEMORY_MAP.VCPU_STRIDE].ack();
  }

  /** MOV to CR8: the state's CR8 is already the new one. */
  taskPriorityWritten(vcpu: number, cr8: number): void {
    this.lapics[vcpu].setTpr(cr8);
  }

  /** FERR#: the PC/AT way to report an x87 error. `ferrReset` is the write to port F0h that lowers it. */
  ferr(): void {
    this.line(FERR_LINE).set(true);
  }

  ferrReset(): void {
    this.line(FERR_LINE).set(false);
  }

  /** An MSR of the local APIC: undefined = not one, false = #GP(0). Data is two words at `u32[data]`. */
  msr(cpu: number, index: number, u32: Uint32Array, data: number, write: boolean): boolean | undefined {
    const known = index === MSR_APIC_BASE || index === MSR_TSC_DEADLINE || (index >= MSR_X2APIC_FIRST && index <= MSR_X2APIC_LAST);
    if (!known) return undefined;
    const lapic = this.lapics[(cpu - MEMORY_MAP.VCPU_BASE) / MEMORY_MAP.VCPU_STRIDE];
    if (write) return lapic.msrWrite(index, u32[data], u32[data + 1]);
    if (!lapic.msrRead(index)) return false;
    u32[data] = lapic.lo;
    u32[data + 1] = lapic.hi;
    return true;
  }

  /** The guest moved a TSC: an armed TSC deadline falls at another time. */
  tscMoved(vcpu: number): void {
    this.lapics[vcpu].tscChanged();
  }

  /** Puts the xAPIC page where IA32_APIC_BASE says, or takes it away, and keeps the vCPUs' copies of that MSR. */
  #placePage(): void {
    const { u32, core, mmio, vcpus } = this.#vm;
    if (this.lapics === undefined) return;
    this.lapics.forEach((lapic, i) => {
      const at = (vcpus[i].base + offsetOf('APIC_BASE')) >>> 2;
      u32[at] = lapic.baseLo;
      u32[at + 1] = lapic.baseHi;
    });
    const lo = this.#first.baseLo;
    const mapped = (lo & (BASE_ENABLED | BASE_X2APIC)) === BASE_ENABLED && this.#first.baseHi === 0;
    const gpa = mapped ? (lo & 0xffff_f000) >>> 0 : 0;
    const word = (MEMORY_MAP.VM_BASE + VM_AREA.APIC_GPA) >>> 2;
    if (u32[word] === gpa) return;
    u32[word] = gpa;
    mmio.setApicPage(gpa, this.lapics);
    for (const vcpu of vcpus) core.tlbFlush(vcpu.base, 1);
  }

  reset(): void {
    this.pic.reset();
    this.ioapic.reset();
    for (const lapic of this.lapics) lapic.reset();
    this.nmiMasked = false;
    this.#placePage();
  }

  /** After the devices' states were put back. */
  restored(): void {
    const word = (MEMORY_MAP.VM_BASE + VM_AREA.APIC_GPA) >>> 2;
    const flushed = this.#vm.u32[word];
    this.#placePage();
    if (flushed === this.#vm.u32[word]) this.#vm.mmio.setApicPage(flushed, this.lapics);
  }

  /** Levels of the board's lines, for the snapshot of the routing. */
  save(): { levels: number[] } {
    return { levels: [...this.#levels] };
  }
}
