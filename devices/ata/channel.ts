/**
 * One ATA channel: the ports of the command and control blocks, and the two devices that share them.
 *
 * Specification: ATA/ATAPI-6 (T13/1410D), clause 7 (registers; 7.1: both devices take each write, the selected one answers), 9.2 and 9.3 (resets); the PC's
 * places, 1F0h-1F7h and 3F6h on line 14, 170h-177h and 376h on line 15.
 *
 * The registers of an absent device read 0 while the other one is there; a channel without devices floats. The high bytes of 48-bit commands are read after HOB
 * was set in the control register; any write to the command block clears it.
 *
 * @module
 */
import type { AccessSize, DeviceState, IrqLine, PortBus, PortDevice } from '../../vmm/bus.ts';
import { savedFlag, savedInt } from '../saved.ts';
import type { AtaDrive, Master } from './drive.ts';
import * as R from './registers.ts';

const FLOATING = 0xff;

export interface ChannelOptions {
  /** First port of the command block, and the port of the control block. */
  readonly command: number;
  readonly control: number;
  readonly irq: IrqLine;
  /** Devices 0 and 1. */
  readonly drives: readonly (AtaDrive | undefined)[];
}

export class AtaChannel implements PortDevice {
  /** Told when a device begins to assert INTRQ. */
  interrupted: () => void = () => {};
  private readonly options: ChannelOptions;
  private readonly drives: readonly (AtaDrive | undefined)[];
  private readonly present: boolean;
  private selected = 0;
  private control = 0;
  private level = false;

  constructor(options: ChannelOptions) {
    this.options = options;
    this.drives = options.drives;
    this.present = options.drives.some((drive) => drive !== undefined);
    for (const drive of this.drives) {
      if (drive === undefined) continue;
      drive.changed = () => {
        if (drive.pending) this.interrupted();
        this.drive();
      };
    }
  }

  attach(ports: PortBus): void {
    ports.addPorts(this.options.command, 8, this, 'ide');
    ports.addPorts(this.options.control, 1, this, 'ide');
  }

  /** The bus master through which the devices move data, when there is one. */
  connect(master: Master): void {
    for (const drive of this.drives) if (drive !== undefined) drive.master = master;
  }

  masterStarted(): void {
    this.drives[this.selected]?.masterStarted();
  }

  portRead(port: number, size: AccessSize): number {
    const offset = port - this.options.command;
    if (offset === R.DATA) return this.drives[this.selected]?.readData(size) ?? (this.present ? 0 : 2 ** (8 * size) - 1);
    let value = 0;
    for (let i = 0; i < size; i++) value |= this.readRegister(port + i) << (8 * i);
    return value >>> 0;
  }

  portWrite(port: number, size: AccessSize, value: number): void {
    if (port === this.options.command) this.drives[this.selected]?.writeData(size, value);
    else for (let i = 0; i < size; i++) this.writeRegister(port + i, (value >>> (8 * i)) & 0xff);
  }

  private readRegister(port: number): number {
    if (!this.present) return FLOATING;
    const drive = this.drives[this.selected];
    if (port === this.options.control) return drive?.alternateStatus ?? 0;
    return drive?.read(port - this.options.command, (this.control & R.HOB) !== 0) ?? 0;
  }

  private writeRegister(port: number, value: number): void {
    if (port === this.options.control) {
      this.writeControl(value);
      return;
    }
    const offset = port - this.options.command;
    this.control &= ~R.HOB;
    if (offset === R.COMMAND) {
      if (value === R.CMD_DIAGNOSTIC) this.diagnose();
      // In a reset no device listens (9.2).
      else if ((this.control & R.SRST) === 0) this.drives[this.selected]?.command(value);
      return;
    }
    if (offset === R.DEVICE) this.select(value & R.DEVICE_SELECT ? 1 : 0);
    for (const drive of this.drives) drive?.write(offset, value);
  }

  private writeControl(value: number): void {
    const before = this.control;
    this.control = value & (R.HOB | R.SRST | R.NIEN);
    if (value & R.SRST && (before & R.SRST) === 0) {
      for (const drive of this.drives) drive?.reset();
      this.select(0);
    }
    this.drive();
  }

  private select(which: number): void {
    this.selected = which;
    this.drive();
  }

  /** EXECUTE DEVICE DIAGNOSTIC goes to both devices, whichever is selected (8.11). */
  private diagnose(): void {
    const first = this.drives.findIndex((drive) => drive !== undefined);
    this.drives.forEach((drive, i) => {
      drive?.diagnose(i === first);
    });
    this.select(0);
  }

  /** INTRQ of the selected device, unless the host does not want it. */
  private drive(): void {
    const level = this.drives[this.selected]?.pending === true && (this.control & R.NIEN) === 0;
    if (level === this.level) return;
    this.level = level;
    this.options.irq.set(level);
  }

  reset(): void {
    this.control = 0;
    for (const drive of this.drives) drive?.reset();
    this.select(0);
  }

  save(): DeviceState {
    const { selected, control, level } = this;
    return { selected, control, level, drives: this.drives.map((drive) => drive?.save() ?? {}) };
  }

  restore(state: DeviceState, drives: readonly DeviceState[]): void {
    const selected = savedInt(state, 'selected', 0, 1);
    const control = savedInt(state, 'control', 0, 0xff);
    const level = savedFlag(state, 'level');
    this.drives.forEach((drive, i) => {
      drive?.restore(drives[i] as DeviceState);
    });
    Object.assign(this, { selected, control, level });
    this.options.irq.set(level);
  }
}
