/**
 * Virtio over PCI.
 *
 * Specification: virtio 1.2, section 4.1 (capabilities 4.1.4, common configuration 4.1.4.3, notification 4.1.4.4, ISR 4.1.4.5, device
 * configuration 4.1.4.6, access through configuration space 4.1.4.9, interrupts 4.1.5.3 and 4.1.5.4).
 *
 * BAR 0 has the MSI-X table, BAR 4 the rest, a page each: common configuration, ISR, device configuration, notifications (four bytes a
 * queue). Modern only: the device ids are those from 1040h on.
 *
 * @module
 */
import type { AccessSize, DeviceState, IrqLine, MmioBus, MmioDevice } from '../../vmm/bus.ts';
import { CAPABILITY_MSIX, Msix, MSIX_BAR_BYTES } from '../msix.ts';
import { PCI_STATUS, PciHeader, STATUS_INTERRUPT } from '../pci.ts';
import { savedInt, savedInts, savedParts } from '../saved.ts';
import type { VirtioDevice, Virtqueue } from './device.ts';

const VENDOR = 0x1af4;
const MODERN = 0x1040;
const CAPABILITY_VENDOR = 0x09;
const MSIX_BAR = 0;
const MAIN_BAR = 4;

const CAP_COMMON = 1;
const CAP_NOTIFY = 2;
const CAP_ISR = 3;
const CAP_DEVICE = 4;
const CAP_PCI = 5;

const COMMON_AT = 0x0000;
const ISR_AT = 0x1000;
const DEVICE_AT = 0x2000;
const NOTIFY_AT = 0x3000;
const MAIN_BAR_BYTES = 0x4000;
const PAGE = 0x1000;
const COMMON_BYTES = 0x40;
const NOTIFY_MULTIPLIER = 4;

/** Common configuration (4.1.4.3). */
const DEVICE_FEATURE_SELECT = 0x00;
const DEVICE_FEATURE = 0x04;
const DRIVER_FEATURE_SELECT = 0x08;
const DRIVER_FEATURE = 0x0c;
const CONFIG_VECTOR = 0x10;
const NUM_QUEUES = 0x12;
const DEVICE_STATUS = 0x14;
const CONFIG_GENERATION = 0x15;
const QUEUE_SELECT = 0x16;
const QUEUE_SIZE = 0x18;
const QUEUE_VECTOR = 0x1a;
const QUEUE_ENABLE = 0x1c;
const QUEUE_NOTIFY_OFF = 0x1e;
const QUEUE_DESC = 0x20;
const QUEUE_DRIVER = 0x28;
const QUEUE_DEVICE = 0x30;
const QUEUE_NOTIFY_DATA = 0x38;
const QUEUE_RESET = 0x3a;

const NO_VECTOR = 0xffff;
const ISR_QUEUE = 1;
const ISR_CONFIG = 2;

export interface VirtioPciOptions {
  readonly device: VirtioDevice;
  readonly mmio: MmioBus;
  /** Its INTx line. */
  readonly line: IrqLine;
  readonly signalMsi: (address: number, data: number) => void;
  /** For the cost of an access and for messages. */
  readonly name: string;
}

export class VirtioPci extends PciHeader implements MmioDevice {
  private readonly device: VirtioDevice;
  private readonly line: IrqLine;
  private readonly msix: Msix;
  private readonly msixAt: number;
  private readonly windowAt: number;
  private readonly vectors: number[];
  private configVector = NO_VECTOR;
  private isr = 0;
  private deviceSelect = 0;
  private driverSelect = 0;
  private queueSelect = 0;

  constructor({ device, mmio, line, signalMsi, name }: VirtioPciOptions) {
    super({
      vendor: VENDOR,
      device: MODERN + device.type,
      revision: 1,
      classCode: device.classCode,
      subsystemVendor: VENDOR,
      subsystem: MODERN + device.type,
      interruptPin: 1,
    });
    this.device = device;
    this.line = line;
    this.vectors = device.queues.map(() => NO_VECTOR);
    this.msix = new Msix(device.queues.length + 1, signalMsi);
    const { bytes, writable } = this.msix.capability(MSIX_BAR);
    this.msixAt = this.addCapability(CAPABILITY_MSIX, bytes, writable);
    this.addBar(MSIX_BAR, { kind: 'memory', bytes: MSIX_BAR_BYTES, decode: placed(mmio, MSIX_BAR_BYTES, this.msix, name) });
    this.addBar(MAIN_BAR, {
      kind: 'memory64',
      bytes: MAIN_BAR_BYTES,
      prefetchable: true,
      decode: placed(mmio, MAIN_BAR_BYTES, this, name),
    });
    this.addCapability(CAPABILITY_VENDOR, structure(CAP_COMMON, COMMON_AT, COMMON_BYTES));
    this.addCapability(CAPABILITY_VENDOR, structure(CAP_ISR, ISR_AT, 1));
    this.addCapability(CAPABILITY_VENDOR, structure(CAP_DEVICE, DEVICE_AT, PAGE));
    this.addCapability(
      CAPABILITY_VENDOR,
      structure(CAP_NOTIFY, NOTIFY_AT, NOTIFY_MULTIPLIER * device.queues.length, [NOTIFY_MULTIPLIER, 0, 0, 0]),
    );
    const window = structure(CAP_PCI, 0, 0, [0, 0, 0, 0]);
    this.windowAt = this.addCapability(
      CAPABILITY_VENDOR,
      window,
      window.map((_, i) => (i === 2 || i >= 6 ? 0xff : 0)),
    );
    device.interrupts = {
      queue: (index) => this.interrupt(this.vectors[index] as number, ISR_QUEUE),
      config: () => {
        device.configGeneration = (device.configGeneration + 1) & 0xff;
        this.interrupt(this.configVector, ISR_CONFIG);
      },
    };
  }

  private interrupt(vector: number, cause: number): void {
    if (this.msix.enabled) {
      this.msix.raise(vector);
      return;
    }
    this.isr |= cause;
    this.pull();
  }

  /** INTx follows ISR, but where MSI-X or the command register silence it. */
  private pull(): void {
    const pending = this.isr !== 0 && !this.msix.enabled;
    this.config[PCI_STATUS] = (this.config[PCI_STATUS] & ~STATUS_INTERRUPT) | (pending ? STATUS_INTERRUPT : 0);
    this.line.set(pending && (this.command & INTX_OFF) === 0);
  }

  // ---- configuration space ----

  override configRead(register: number, size: number): number {
    const data = this.windowAt + 16;
    if (register >= data && register < data + 4) this.window(false);
    return super.configRead(register, size);
  }

  protected override configWritten(register: number, size: number): void {
    const end = register + size;
    if (register <= this.msixAt + 3 && end > this.msixAt + 2) {
      this.msix.setControl((this.config[this.msixAt + 2] as number) | ((this.config[this.msixAt + 3] as number) << 8));
    }
    this.pull();
    const data = this.windowAt + 16;
    if (size <= 4 && register < data + 4 && end > data) this.window(true);
  }

  /** Section 4.1.4.9: an access to BAR 4 at the offset and of the length that the capability holds. */
  private window(write: boolean): void {
    const view = new DataView(this.config.buffer, this.config.byteOffset + this.windowAt, 20);
    const bar = view.getUint8(4);
    const offset = view.getUint32(8, true);
    const length = view.getUint32(12, true);
    if (bar !== MAIN_BAR || ![1, 2, 4].includes(length) || offset % length !== 0 || offset + length > MAIN_BAR_BYTES) return;
    if (write) this.mmioWrite(offset, length as AccessSize, view.getUint32(16, true) & (2 ** (8 * length) - 1));
    else view.setUint32(16, this.mmioRead(offset, length as AccessSize), true);
  }

  protected override changeable(register: number): number {
    // What an access through the window read stays in its data register.
    return register >= this.windowAt + 16 && register < this.windowAt + 20 ? 0xff : super.changeable(register);
  }

  // ---- BAR 4 ----

  mmioRead(offset: number, size: AccessSize): number {
    const at = offset & (PAGE - 1);
    switch (offset - at) {
      case COMMON_AT:
        return this.readCommon(at, size);
      case ISR_AT:
        return at === 0 ? this.readIsr() : 0;
      case DEVICE_AT: {
        let value = 0;
        for (let i = 0; i < size; i++) value |= this.device.configByte(at + i) << (8 * i);
        return value >>> 0;
      }
      default:
        return 0;
    }
  }

  mmioWrite(offset: number, size: AccessSize, value: number): void {
    const at = offset & (PAGE - 1);
    switch (offset - at) {
      case COMMON_AT:
        this.writeCommon(at, size, value >>> 0);
        break;
      case DEVICE_AT:
        this.device.configWrite(at, size, value >>> 0);
        break;
      case NOTIFY_AT:
        // Without F_NOTIFICATION_DATA the value is the queue's index, which its place says as well.
        if (at % NOTIFY_MULTIPLIER === 0) this.device.notify(at / NOTIFY_MULTIPLIER);
        break;
      default:
    }
  }

  /** Reading ISR clears it and takes INTx down (4.1.4.5). */
  private readIsr(): number {
    const value = this.isr;
    this.isr = 0;
    this.pull();
    return value;
  }

  private get queue(): Virtqueue | undefined {
    return this.device.queues[this.queueSelect];
  }

  private readCommon(at: number, size: number): number {
    // Fields are read in their own width, addresses in halves (4.1.3.1); bytes of other fields with them do no harm.
    const field = this.commonField(at);
    return size === 4 ? field >>> 0 : field & (2 ** (8 * size) - 1);
  }

  private commonField(at: number): number {
    const { device, queue } = this;
    switch (at) {
      case DEVICE_FEATURE_SELECT:
        return this.deviceSelect;
      case DEVICE_FEATURE:
        return this.deviceSelect < 2 ? (device.features[this.deviceSelect] as number) : 0;
      case DRIVER_FEATURE_SELECT:
        return this.driverSelect;
      case DRIVER_FEATURE:
        return this.driverSelect < 2 ? device.acceptedFeatures(this.driverSelect as 0 | 1) : 0;
      case CONFIG_VECTOR:
        return this.configVector;
      case NUM_QUEUES:
        return device.queues.length;
      case DEVICE_STATUS:
        return device.status;
      case CONFIG_GENERATION:
        return device.configGeneration;
      case QUEUE_SELECT:
        return this.queueSelect;
      default:
        return queue === undefined ? 0 : this.queueField(queue, at);
    }
  }

  private queueField(queue: Virtqueue, at: number): number {
    switch (at) {
      case QUEUE_SIZE:
        return queue.size;
      case QUEUE_VECTOR:
        return this.vectors[queue.index] as number;
      case QUEUE_ENABLE:
        return queue.enabled ? 1 : 0;
      case QUEUE_NOTIFY_OFF:
      case QUEUE_NOTIFY_DATA:
        return queue.index;
      case QUEUE_DESC:
        return queue.descriptors % 2 ** 32;
      case QUEUE_DESC + 4:
        return Math.floor(queue.descriptors / 2 ** 32);
      case QUEUE_DRIVER:
        return queue.driver % 2 ** 32;
      case QUEUE_DRIVER + 4:
        return Math.floor(queue.driver / 2 ** 32);
      case QUEUE_DEVICE:
        return queue.device % 2 ** 32;
      case QUEUE_DEVICE + 4:
        return Math.floor(queue.device / 2 ** 32);
      default:
        return 0;
    }
  }

  private writeCommon(at: number, size: number, value: number): void {
    const { device, queue } = this;
    switch (at) {
      case DEVICE_FEATURE_SELECT:
        this.deviceSelect = value;
        break;
      case DRIVER_FEATURE_SELECT:
        this.driverSelect = value;
        break;
      case DRIVER_FEATURE:
        if (this.driverSelect < 2) device.acceptFeatures(this.driverSelect as 0 | 1, value);
        break;
      case CONFIG_VECTOR:
        this.configVector = this.vector(value);
        break;
      case DEVICE_STATUS:
        device.setStatus(value & 0xff);
        if ((value & 0xff) === 0) this.forget();
        break;
      case QUEUE_SELECT:
        this.queueSelect = value & 0xffff;
        break;
      default:
        if (queue !== undefined) this.writeQueue(queue, at, size, value);
    }
  }

  private writeQueue(queue: Virtqueue, at: number, size: number, value: number): void {
    if (at === QUEUE_VECTOR) this.vectors[queue.index] = this.vector(value);
    else if (at === QUEUE_RESET) {
      if (value & 1) this.device.resetQueue(queue);
    } else if (queue.enabled)
      return; // 4.1.4.3.2: a driver must not change an enabled queue.
    else if (at === QUEUE_SIZE) queue.size = value & 0xffff;
    else if (at === QUEUE_ENABLE) {
      if (value & 1) this.device.enable(queue);
    } else if (size === 4) queue.setHalf(ADDRESSES[at & ~4], (at & 4) === 0, value);
  }

  /** A vector that is not there reads back as none (4.1.5.1.2). */
  private vector(value: number): number {
    return (value & 0xffff) < this.msix.vectors ? value & 0xffff : NO_VECTOR;
  }

  /** What a reset of the device forgets in the transport. */
  private forget(): void {
    this.configVector = NO_VECTOR;
    this.vectors.fill(NO_VECTOR);
    this.isr = 0;
    this.deviceSelect = 0;
    this.driverSelect = 0;
    this.queueSelect = 0;
    this.pull();
  }

  override reset(): void {
    this.msix.reset();
    super.reset();
    this.device.reset();
    this.forget();
  }

  override save(): DeviceState {
    const { configVector, isr, deviceSelect, driverSelect, queueSelect } = this;
    return {
      ...super.save(),
      device: [this.device.save()],
      msix: [this.msix.save()],
      vectors: [...this.vectors],
      registers: [configVector, isr, deviceSelect, driverSelect, queueSelect],
    };
  }

  override restore(state: DeviceState): void {
    const [device] = savedParts(state, 'device', 1) as [DeviceState];
    const [msix] = savedParts(state, 'msix', 1) as [DeviceState];
    const vectors = savedInts(state, 'vectors', this.vectors.length, 0, NO_VECTOR);
    const registers = savedInts(state, 'registers', 5, 0, 0xffff_ffff);
    const isr = savedInt({ isr: registers[1] }, 'isr', 0, ISR_QUEUE | ISR_CONFIG);
    super.restore(state);
    this.msix.restore(msix);
    this.device.restore(device);
    vectors.forEach((v, i) => {
      this.vectors[i] = v;
    });
    [this.configVector, , this.deviceSelect, this.driverSelect, this.queueSelect] = registers as [number, number, number, number, number];
    this.isr = isr;
    this.pull();
  }
}

/** The area of a queue whose address is at an offset. */
const ADDRESSES: Readonly<Record<number, 'descriptors' | 'driver' | 'device'>> = {
  [QUEUE_DESC]: 'descriptors',
  [QUEUE_DRIVER]: 'driver',
  [QUEUE_DEVICE]: 'device',
};

/** Command register, bit 10: no INTx. */
const INTX_OFF = 0x0400;

/** A capability's bytes from offset 2 on: length, type, BAR, id, two of padding, offset, length, and `more` (4.1.4). */
function structure(type: number, offset: number, length: number, more: readonly number[] = []): Uint8Array {
  const bytes = new Uint8Array(14 + more.length);
  const view = new DataView(bytes.buffer);
  bytes[0] = 16 + more.length;
  bytes[1] = type;
  bytes[2] = type === CAP_PCI ? 0 : MAIN_BAR;
  view.setUint32(6, offset, true);
  view.setUint32(10, length, true);
  bytes.set(more, 14);
  return bytes;
}

/** Keeps a region where its BAR decodes; nowhere when that is not in whole pages or another device is there. */
function placed(mmio: MmioBus, bytes: number, device: MmioDevice, name: string): (address: number | undefined) => void {
  let at: number | undefined;
  return (address) => {
    if (at !== undefined) mmio.removeMmio(at, device);
    at = address !== undefined && mmio.freeMmio(address, bytes) ? address : undefined;
    if (at !== undefined) mmio.addMmio(at, bytes, device, name);
  };
}
