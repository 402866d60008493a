/**
 * The memory-mapped I/O bus: regions of guest physical addresses, each answered by one registered device.
 *
 * Few regions and strong locality: the last one hit is asked first, then all in order. Accesses of 8 bytes reach a device as two of 4, low
 * half first. What no region holds whole floats (reads all ones) or leaves `run()`, as the VM was told.
 *
 * @module
 */
import type { AccessSize, MmioBus, MmioDevice } from './bus.ts';
import { CALL } from './cpu/core.ts';
import { MEMORY_MAP, offsetOf } from './cpu/layout.ts';
import { deviceCost, type ExitCosts } from './exit-cost/modelled.ts';
import type { Unclaimed } from './port-bus.ts';

const IO_DATA = offsetOf('IO_DATA');
const EXIT_EXTRA = offsetOf('EXIT_EXTRA');
const PAGE = 4096;

interface Region {
  readonly start: number;
  readonly end: number;
  readonly device: MmioDevice;
  readonly name: string;
  readonly cost: number;
  /** What the core is told: answered by a device, or by the interrupt controllers. */
  readonly answer: number;
}

/** Devices that count as inside the kernel: their accesses are not `mmio-exits`. */
const IRQCHIP: readonly string[] = ['lapic', 'ioapic'];

/** The MMIO regions of one VM. */
export class MmioRegions implements MmioBus {
  readonly #u32: Uint32Array;
  readonly #costs: ExitCosts;
  readonly #byte: number;
  readonly #unclaimedCost: number;
  #regions: Region[] = [];
  #last: Region | undefined;
  /** The xAPIC page: each vCPU sees its own local APIC there, ahead of whatever else the address holds. */
  #apicGpa = 0;
  #apicPages: Region[] = [];
  #unclaimed: Unclaimed;

  constructor(u32: Uint32Array, costs: ExitCosts, unclaimed: Unclaimed) {
    this.#u32 = u32;
    this.#costs = costs;
    this.#byte = costs.byte;
    this.#unclaimedCost = deviceCost(costs, 'unclaimed');
    this.#unclaimed = unclaimed;
  }

  set unclaimed(what: Unclaimed) {
    this.#unclaimed = what;
  }

  addMmio(gpa: number, bytes: number, device: MmioDevice, name: string): void {
    if (gpa % PAGE !== 0 || bytes % PAGE !== 0 || bytes <= 0) throw new RangeError(`${name}: MMIO region is not in whole pages`);
    const other = this.#overlapping(gpa, bytes);
    if (other !== undefined) throw new Error(`${name}: MMIO region at ${gpa.toString(16)} overlaps ${other.name}`);
    this.#regions.push(this.#region(gpa, bytes, device, name));
  }

  #overlapping(gpa: number, bytes: number): Region | undefined {
    return this.#regions.find((r) => gpa < r.end && r.start < gpa + bytes);
  }

  freeMmio(gpa: number, bytes: number): boolean {
    return gpa % PAGE === 0 && bytes % PAGE === 0 && this.#overlapping(gpa, bytes) === undefined;
  }

  removeMmio(gpa: number, device: MmioDevice): void {
    this.#regions = this.#regions.filter((r) => r.start !== gpa || r.device !== device);
    this.#last = undefined;
  }

  #region(gpa: number, bytes: number, device: MmioDevice, name: string): Region {
    const answer = IRQCHIP.includes(name) ? CALL.DONE_IRQCHIP : CALL.DONE;
    return { start: gpa, end: gpa + bytes, device, name, cost: deviceCost(this.#costs, name), answer };
  }

  /** Puts the xAPIC page at `gpa` (0: nowhere); `devices` by vCPU. */
  setApicPage(gpa: number, devices: readonly MmioDevice[]): void {
    this.#apicGpa = gpa;
    this.#apicPages = gpa === 0 ? [] : devices.map((device) => this.#region(gpa, PAGE, device, 'lapic'));
  }

  #find(cpu: number, gpa: number, size: number): Region | undefined {
    if (this.#apicGpa !== 0 && gpa >= this.#apicGpa && gpa + size <= this.#apicGpa + PAGE) {
      return this.#apicPages[(cpu - MEMORY_MAP.VCPU_BASE) / MEMORY_MAP.VCPU_STRIDE];
    }
    const last = this.#last;
    if (last !== undefined && gpa >= last.start && gpa + size <= last.end) return last;
    for (const region of this.#regions) {
      if (gpa >= region.start && gpa + size <= region.end) {
        this.#last = region;
        return region;
      }
    }
    return undefined;
  }

  /** The core's `mmio` import. */
  access(cpu: number, gpaLow: number, gpaHigh: number, size: number, write: number): number {
    const u32 = this.#u32;
    const gpa = (gpaHigh >>> 0) * 0x1_0000_0000 + (gpaLow >>> 0);
    const region = this.#find(cpu, gpa, size);
    if (region === undefined && this.#unclaimed === 'exit') return CALL.LEAVE;
    const extra = (cpu + EXIT_EXTRA) >>> 2;
    const data = (cpu + IO_DATA) >>> 2;
    if (u32[extra] === 0) u32[extra] = region === undefined ? this.#unclaimedCost : region.cost;
    if (this.#byte !== 0) (u32[extra] as number) += this.#byte * size;
    if (region === undefined) {
      if (write === 0) {
        u32[data] = 0xffffffff;
        u32[data + 1] = 0xffffffff;
      }
      return CALL.DONE;
    }
    const offset = gpa - region.start;
    if (write !== 0) {
      region.device.mmioWrite(offset, (size === 8 ? 4 : size) as AccessSize, u32[data] as number);
      if (size === 8) region.device.mmioWrite(offset + 4, 4, u32[data + 1] as number);
    } else {
      const low = region.device.mmioRead(offset, (size === 8 ? 4 : size) as AccessSize);
      const high = size === 8 ? region.device.mmioRead(offset + 4, 4) : 0;
      u32[data] = low;
      u32[data + 1] = high;
    }
    return region.answer;
  }
}
