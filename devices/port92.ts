/**
 * System control port A, port 92h: fast A20 and fast reset.
 *
 * Specification: Intel ICH9 data sheet, section 13.7.4 (PORT92); IBM PS/2 technical reference, system control port A. Bit 0: a rise resets
 * the processors. Bit 1: ALT_A20_GATE, one of the sources that open address line 20 (the keyboard controller is the other; the board joins them).
 * The other bits (disk light, security lock) read as written, but for the reserved bits 2, 4 and 5.
 *
 * @module
 */
import type { AccessSize, DeviceState, PortBus, PortDevice, Saveable } from '../vmm/bus.ts';
import { StateError } from '../vmm/bus.ts';
import { savedInt } from './saved.ts';

export const PORT92 = 0x92;

const INIT_NOW = 0x01;
const A20_GATE = 0x02;
const STORED = 0xcb;

export interface Port92Options {
  /** Told whenever this port's A20 gate opens or closes. */
  readonly a20: (open: boolean) => void;
  /** Called on a rise of bit 0. */
  readonly reset: () => void;
}

export class Port92 implements PortDevice, Saveable {
  private readonly a20: (open: boolean) => void;
  private readonly resetMachine: () => void;
  private value = 0;

  constructor(options: Port92Options) {
    this.a20 = options.a20;
    this.resetMachine = options.reset;
  }

  attach(ports: PortBus): void {
    ports.addPorts(PORT92, 1, this, 'port92');
  }

  portRead(_port: number, size: AccessSize): number {
    return size === 1 ? this.value : (2 ** (8 * size) - 0x100 + this.value) >>> 0;
  }

  portWrite(_port: number, _size: AccessSize, value: number): void {
    const before = this.value;
    this.store(value & STORED);
    if (value & ~before & INIT_NOW) this.resetMachine();
  }

  reset(): void {
    this.store(0);
  }

  save(): DeviceState {
    return { value: this.value };
  }

  restore(state: DeviceState): void {
    const value = savedInt(state, 'value', 0, STORED);
    if ((value & ~STORED) !== 0) throw new StateError('value: not a value of the register');
    this.store(value);
  }

  private store(value: number): void {
    const changed = this.value ^ value;
    this.value = value;
    if (changed & A20_GATE) this.a20((value & A20_GATE) !== 0);
  }
}
