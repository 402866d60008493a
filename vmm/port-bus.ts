/**
 * The port bus: 65536 I/O ports, each answered by at most one registered device.
 *
 * Dispatch is one byte load and one call; nothing is allocated. An access wider than the device's last port, or across two devices, is
 * split into bytes, as the chipset's I/O decoder does for 8-bit parts. An access to a port that nobody registered floats (reads all ones, writes go
 * nowhere) or leaves `run()`, as the VM was told.
 *
 * @module
 */
import type { AccessSize, MovablePorts, PortDevice } from './bus.ts';
import { CALL } from './cpu/core.ts';
import { offsetOf } from './cpu/layout.ts';
import { deviceCost, type ExitCosts } from './exit-cost/modelled.ts';

const IO_DATA = offsetOf('IO_DATA');
const EXIT_EXTRA = offsetOf('EXIT_EXTRA');
const DEVICES_MAX = 255;

/** All ones of an access of `size` bytes. */
function ones(size: number): number {
  return size === 4 ? 0xffffffff : (1 << (size * 8)) - 1;
}

/** What happens to an access that no device claims. */
export type Unclaimed = 'float' | 'exit';

/** The I/O ports of one VM. */
export class IoPorts implements MovablePorts {
  readonly #u32: Uint32Array;
  /** Number of the device behind each port; 0 = none. */
  readonly #map = new Uint8Array(0x10000);
  readonly #devices: (PortDevice | undefined)[] = [undefined];
  readonly #names: string[] = ['unclaimed'];
  readonly #cost: number[] = [0];
  readonly #costs: ExitCosts;
  readonly #byte: number;
  #unclaimed: Unclaimed;
  /** A port, or -1: `written` is called when the guest writes to it, before the device acts. */
  watched = -1;
  written: () => void = () => {};

  constructor(u32: Uint32Array, costs: ExitCosts, unclaimed: Unclaimed) {
    this.#u32 = u32;
    this.#costs = costs;
    this.#byte = costs.byte;
    this.#cost[0] = deviceCost(costs, 'unclaimed');
    this.#unclaimed = unclaimed;
  }

  set unclaimed(what: Unclaimed) {
    this.#unclaimed = what;
  }

  addPorts(first: number, count: number, device: PortDevice, name: string): void {
    if (!Number.isInteger(first) || first < 0 || count < 1 || first + count > 0x10000)
      throw new RangeError(`${name}: ports ${first}+${count} are outside 0-ffff`);
    for (let port = first; port < first + count; port++) {
      const taken = this.#map[port] as number;
      if (taken !== 0) throw new Error(`${name}: port ${port.toString(16)} belongs to ${this.#names[taken]}`);
    }
    let number = this.#devices.findIndex((d, i) => d === device && this.#names[i] === name);
    if (number < 0) {
      number = this.#devices.length;
      if (number > DEVICES_MAX) throw new Error(`${name}: at most ${DEVICES_MAX} port devices`);
      this.#devices.push(device);
      this.#names.push(name);
      this.#cost.push(deviceCost(this.#costs, name));
    }
    this.#map.fill(number, first, first + count);
  }

  freePorts(first: number, count: number): boolean {
    return first >= 0 && first + count <= 0x10000 && this.#map.subarray(first, first + count).every((number) => number === 0);
  }

  removePorts(first: number, count: number, device: PortDevice): void {
    for (let port = first; port < first + count; port++) if (this.#devices[this.#map[port] as number] === device) this.#map[port] = 0;
  }

  /** Name of the device behind a port, or undefined. */
  nameOf(port: number): string | undefined {
    const number = this.#map[port & 0xffff] as number;
    return number === 0 ? undefined : this.#names[number];
  }

  /** The core's `pio` import. */
  access(cpu: number, port: number, size: number, write: number): number {
    const u32 = this.#u32;
    const number = this.#map[port] as number;
    const extra = (cpu + EXIT_EXTRA) >>> 2;
    const data = (cpu + IO_DATA) >>> 2;
    if (number === 0 && this.#unclaimed === 'exit') return CALL.LEAVE;
    if (u32[extra] === 0) u32[extra] = this.#cost[number] as number;
    if (this.#byte !== 0) (u32[extra] as number) += this.#byte * size;
    if (port === this.watched && write !== 0) this.written();
    if (size !== 1 && this.#map[(port + size - 1) & 0xffff] !== number) return this.#split(data, port, size, write);
    const device = this.#devices[number];
    if (device === undefined) {
      if (write === 0) {
        u32[data] = ones(size);
        u32[data + 1] = 0;
      }
    } else if (write !== 0) {
      device.portWrite(port, size as AccessSize, u32[data] as number);
    } else {
      u32[data] = device.portRead(port, size as AccessSize);
      u32[data + 1] = 0;
    }
    return CALL.DONE;
  }

  #split(data: number, port: number, size: number, write: number): number {
    const u32 = this.#u32;
    const value = u32[data] as number;
    let result = 0;
    for (let i = 0; i < size; i++) {
      const at = (port + i) & 0xffff;
      const device = this.#devices[this.#map[at] as number];
      if (write !== 0) device?.portWrite(at, 1, (value >>> (8 * i)) & 0xff);
      else result |= ((device === undefined ? 0xff : device.portRead(at, 1)) & 0xff) << (8 * i);
    }
    if (write === 0) {
      u32[data] = result;
      u32[data + 1] = 0;
    }
    return CALL.DONE;
  }
}
