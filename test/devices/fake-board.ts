/**
 * What device tests need beside a clock and lines: a port bus that checks its ranges, small random numbers, and states that no device may take.
 *
 * @module
 */
import type { AccessSize, PortBus, PortDevice } from '../../vmm/bus.ts';

/** A port bus: an access goes to the device of its first port; where nobody is, it reads ones. */
export class FakePorts implements PortBus {
  readonly #taken = new Map<number, { device: PortDevice; name: string }>();

  addPorts(first: number, count: number, device: PortDevice, name: string): void {
    for (let port = first; port < first + count; port++) {
      if (this.#taken.has(port)) throw new Error(`port ${port.toString(16)} is taken by ${this.#taken.get(port)?.name}`);
      this.#taken.set(port, { device, name });
    }
  }

  read(port: number, size: AccessSize = 1): number {
    return this.#taken.get(port)?.device.portRead(port, size) ?? 2 ** (8 * size) - 1;
  }

  write(port: number, value: number, size: AccessSize = 1): void {
    this.#taken.get(port)?.device.portWrite(port, size, value >>> 0);
  }
}

/** Repeatable random numbers (xorshift32): integers from 0 to `below` - 1. */
export function randomSource(seed: number): (below: number) => number {
  let state = seed >>> 0 || 1;
  return (below) => {
    state = (state ^ (state << 13)) >>> 0;
    state = (state ^ (state >>> 17)) >>> 0;
    state = (state ^ (state << 5)) >>> 0;
    return state % below;
  };
}

/** Variants of a saved state that no `restore` may take: nothing at all, and each field in turn replaced by junk. */
export function spoiled(state: object): { [key: string]: unknown }[] {
  const junk: unknown[] = [undefined, 'x', -1e300, 0.5, Number.NaN, [1, 2, 'x'], {}, [[]]];
  return [{}, ...Object.keys(state).flatMap((key) => junk.map((value) => ({ ...state, [key]: value })))];
}
