/**
 * Reset control register, port CF9h: the way ACPI's RESET_REG resets the machine.
 *
 * Specification: Intel ICH9 data sheet, section 13.7.5 (RST_CNT). Bit 1 (SYS_RST) chooses a system reset over an INIT, bit 2 (RST_CPU) resets on its
 * rise, bit 3 (FULL_RST) asks for a power cycle. The port lies within the double word of PCI's CONFIG_ADDRESS (CF8h), which answers only to
 * accesses of four bytes at CF8h.
 *
 * @module
 */
import type { AccessSize, DeviceState, PortBus, PortDevice, Saveable } from '../vmm/bus.ts';
import { StateError } from '../vmm/bus.ts';
import { savedInt } from './saved.ts';

export const RESET_PORT = 0xcf9;
/** Value that ACPI's RESET_VALUE asks for: SYS_RST and RST_CPU. */
export const RESET_VALUE = 0x06;

const SYS_RST = 0x02;
const RST_CPU = 0x04;
const FULL_RST = 0x08;
const STORED = SYS_RST | RST_CPU | FULL_RST;

/** `init`: the processors only (INIT#). `system`: everything behind PLTRST#. `power`: power off and on again. */
export type ResetKind = 'init' | 'system' | 'power';

export interface ResetControlOptions {
  readonly reset: (kind: ResetKind) => void;
}

export class ResetControl implements PortDevice, Saveable {
  private readonly resetMachine: (kind: ResetKind) => void;
  private value = 0;

  constructor(options: ResetControlOptions) {
    this.resetMachine = options.reset;
  }

  attach(ports: PortBus): void {
    ports.addPorts(RESET_PORT, 1, this, 'reset');
  }

  portRead(_port: number, size: AccessSize): number {
    return size === 1 ? this.value : (2 ** (8 * size) - 0x100 + this.value) >>> 0;
  }

  portWrite(_port: number, _size: AccessSize, value: number): void {
    const rose = value & ~this.value & RST_CPU;
    this.value = value & STORED;
    if (!rose) return;
    if ((value & SYS_RST) === 0) this.resetMachine('init');
    else this.resetMachine(value & FULL_RST ? 'power' : 'system');
  }

  reset(): void {
    this.value = 0;
  }

  save(): DeviceState {
    return { value: this.value };
  }

  restore(state: DeviceState): void {
    const value = savedInt(state, 'value', 0, STORED);
    if ((value & ~STORED) !== 0) throw new StateError('value: not a value of the register');
    this.value = value;
  }
}
