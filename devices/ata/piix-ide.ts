/**
 * The IDE function of the PIIX3: two ATA channels at the PC's own ports, and their bus masters behind a BAR.
 *
 * Specification: Intel 82371FB/82371SB (PIIX/PIIX3) data sheet, 2.3 (IDE configuration: IDETIM 40h-43h, SIDETIM 44h; BMIBA 20h-23h) and 2.7 (bus master
 * registers). The timing registers keep what is written and change nothing; the channels decode from the start, where the chip waits for software.
 *
 * @module
 */
import type { AccessSize, DeviceState, DmaMemory, IrqLine, MovablePorts, PortDevice } from '../../vmm/bus.ts';
import { PciHeader } from '../pci.ts';
import { savedParts } from '../saved.ts';
import { BusMaster } from './bus-master.ts';
import { AtaChannel } from './channel.ts';
import type { AtaDrive } from './drive.ts';

const BUS_MASTER_BAR = 4;
const BAR_BYTES = 16;
const TIMING = 0x40;
const TIMING_BYTES = 5;
/** IDETIM bit 15: the channel decodes its ports. */
const DECODE = 0x80;
const PLACES = [
  { command: 0x1f0, control: 0x3f6 },
  { command: 0x170, control: 0x376 },
] as const;

export interface PiixIdeOptions {
  readonly memory: DmaMemory;
  readonly ports: MovablePorts;
  /** Lines 14 and 15. */
  readonly irqs: readonly [IrqLine, IrqLine];
  /** Primary master and slave, secondary master and slave. */
  readonly drives: readonly (AtaDrive | undefined)[];
}

export class PiixIde extends PciHeader implements PortDevice {
  private readonly channels: readonly AtaChannel[];
  private readonly masters: readonly BusMaster[];
  private base: number | undefined;

  constructor({ memory, ports, irqs, drives }: PiixIdeOptions) {
    super({ vendor: 0x8086, device: 0x7010, classCode: 0x010180 });
    this.channels = PLACES.map((place, i) => new AtaChannel({ ...place, irq: irqs[i], drives: [drives[2 * i], drives[2 * i + 1]] }));
    this.masters = this.channels.map((channel) => new BusMaster(memory, () => channel.masterStarted()));
    this.channels.forEach((channel, i) => {
      const master = this.masters[i];
      channel.connect(master);
      channel.interrupted = () => master.interrupted();
      channel.attach(ports);
      this.config[TIMING + 2 * i + 1] = DECODE;
    });
    this.writable.fill(0xff, TIMING, TIMING + TIMING_BYTES);
    this.addBar(BUS_MASTER_BAR, { kind: 'io', bytes: BAR_BYTES, decode: (address) => this.place(ports, address) });
  }

  portRead(port: number, size: AccessSize): number {
    let value = 0;
    for (let i = 0; i < size; i++) value |= this.masterOf(port + i).read((port + i) & 7) << (8 * i);
    return value >>> 0;
  }

  portWrite(port: number, size: AccessSize, value: number): void {
    for (let i = 0; i < size; i++) this.masterOf(port + i).write((port + i) & 7, (value >>> (8 * i)) & 0xff);
  }

  private masterOf(port: number): BusMaster {
    return this.masters[(port >> 3) & 1];
  }

  /** Moves the bus masters' ports; where another device is they do not decode. */
  private place(ports: MovablePorts, address: number | undefined): void {
    if (this.base !== undefined) ports.removePorts(this.base, BAR_BYTES, this);
    this.base = address !== undefined && ports.freePorts(address, BAR_BYTES) ? address : undefined;
    if (this.base !== undefined) ports.addPorts(this.base, BAR_BYTES, this, 'ide-dma');
  }

  override reset(): void {
    super.reset();
    for (const channel of this.channels) channel.reset();
    for (const master of this.masters) master.reset();
  }

  override save(): DeviceState {
    return { ...super.save(), channels: this.channels.map((c) => c.save()), masters: this.masters.map((m) => m.save()) };
  }

  override restore(state: DeviceState): void {
    const channels = savedParts(state, 'channels', 2);
    const masters = savedParts(state, 'masters', 2);
    const drives = channels.map((channel) => savedParts(channel, 'drives', 2));
    super.restore(state);
    this.masters.forEach((master, i) => {
      master.restore(masters[i]);
    });
    this.channels.forEach((channel, i) => {
      channel.restore(channels[i], drives[i]);
    });
  }
}
