/**
 * Debug exit: a port at which a test guest ends the machine with a value, as small kernels and unit tests expect at F4h.
 *
 * No chip: the convention of the isa-debug-exit device of other emulators. A write of any size hands the value written to the callback; what exit status
 * follows from it is the board's business. Reads give 0.
 *
 * @module
 */
import type { AccessSize, DeviceState, PortBus, PortDevice, Saveable } from '../vmm/bus.ts';
import { StateError } from '../vmm/bus.ts';

export const DEBUG_EXIT_PORT = 0xf4;

export interface DebugExitOptions {
  /** Called with the value written, of `size` bytes. */
  readonly exit: (value: number, size: AccessSize) => void;
  /** Default F4h. */
  readonly port?: number;
  /** How many ports answer, 1 to 4. Default 4. */
  readonly ports?: number;
}

export class DebugExit implements PortDevice, Saveable {
  private readonly exit: (value: number, size: AccessSize) => void;
  private readonly port: number;
  private readonly ports: number;

  constructor(options: DebugExitOptions) {
    this.exit = options.exit;
    this.port = options.port ?? DEBUG_EXIT_PORT;
    this.ports = options.ports ?? 4;
    if (!Number.isInteger(this.port) || this.port < 0 || this.port + this.ports > 0x1_0000)
      throw new RangeError('port must be an I/O port');
    if (!Number.isInteger(this.ports) || this.ports < 1 || this.ports > 4) throw new RangeError('ports must be 1 to 4');
  }

  attach(bus: PortBus): void {
    bus.addPorts(this.port, this.ports, this, 'debug-exit');
  }

  portRead(_port: number, _size: AccessSize): number {
    return 0;
  }

  portWrite(_port: number, size: AccessSize, value: number): void {
    this.exit(value >>> 0, size);
  }

  reset(): void {}

  save(): DeviceState {
    return {};
  }

  restore(state: DeviceState): void {
    if (typeof state !== 'object' || state === null || Array.isArray(state))
      throw new StateError('debug-exit: saved state is not an object');
  }
}
