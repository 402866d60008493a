/**
 * Virtio over MMIO.
 *
 * Specification: virtio 1.2, section 4.2 (registers 4.2.2, initialization 4.2.3.1, interrupts 4.2.3.4): version 2, which has no legacy interface. Where a device
 * stands and which interrupt it has, the guest is told by ACPI (`LNRO0005`).
 *
 * Registers are read and written as four bytes at multiples of four; the device's configuration from 100h on in any width. An interrupt is a level,
 * high while InterruptStatus is not 0.
 *
 * Left out: shared memory regions (their length reads as all ones, which says that there is none).
 *
 * @module
 */
import type { AccessSize, DeviceState, IrqLine, MmioDevice, Saveable } from '../../vmm/bus.ts';
import { savedInts, savedParts } from '../saved.ts';
import type { VirtioDevice, Virtqueue } from './device.ts';

/** Bytes of registers and configuration that are told of; the region is a page. */
export const VIRTIO_MMIO_BYTES = 0x200;
const MAGIC = 0x7472_6976; // "virt"
const VERSION = 2;
const VENDOR = 0x4c55_4344;

const MAGIC_VALUE = 0x000;
const VERSION_AT = 0x004;
const DEVICE_ID = 0x008;
const VENDOR_ID = 0x00c;
const DEVICE_FEATURES = 0x010;
const DEVICE_FEATURES_SEL = 0x014;
const DRIVER_FEATURES = 0x020;
const DRIVER_FEATURES_SEL = 0x024;
const QUEUE_SEL = 0x030;
const QUEUE_NUM_MAX = 0x034;
const QUEUE_NUM = 0x038;
const QUEUE_READY = 0x044;
const QUEUE_NOTIFY = 0x050;
const INTERRUPT_STATUS = 0x060;
const INTERRUPT_ACK = 0x064;
const STATUS = 0x070;
const QUEUE_DESC = 0x080;
const QUEUE_DRIVER = 0x090;
const QUEUE_DEVICE = 0x0a0;
const SHM_FIRST = 0x0ac;
const SHM_LAST = 0x0bc;
const QUEUE_RESET = 0x0c0;
const CONFIG_GENERATION = 0x0fc;
const CONFIG = 0x100;

const USED_BUFFER = 1;
const CONFIG_CHANGE = 2;

export interface VirtioMmioOptions {
  readonly device: VirtioDevice;
  readonly line: IrqLine;
}

export class VirtioMmio implements MmioDevice, Saveable {
  private readonly device: VirtioDevice;
  private readonly line: IrqLine;
  private interruptStatus = 0;
  private deviceSelect = 0;
  private driverSelect = 0;
  private queueSelect = 0;

  constructor({ device, line }: VirtioMmioOptions) {
    this.device = device;
    this.line = line;
    device.interrupts = {
      queue: () => this.interrupt(USED_BUFFER),
      config: () => {
        device.configGeneration = (device.configGeneration + 1) & 0xff;
        this.interrupt(CONFIG_CHANGE);
      },
    };
  }

  private interrupt(cause: number): void {
    this.interruptStatus |= cause;
    this.pull();
  }

  private pull(): void {
    this.line.set(this.interruptStatus !== 0);
  }

  private get queue(): Virtqueue | undefined {
    return this.device.queues[this.queueSelect];
  }

  mmioRead(offset: number, size: AccessSize): number {
    if (offset >= CONFIG) {
      let value = 0;
      for (let i = 0; i < size; i++) value |= this.device.configByte(offset - CONFIG + i) << (8 * i);
      return value >>> 0;
    }
    return size === 4 && (offset & 3) === 0 ? this.register(offset) >>> 0 : 0;
  }

  private register(offset: number): number {
    const { device, queue } = this;
    switch (offset) {
      case MAGIC_VALUE:
        return MAGIC;
      case VERSION_AT:
        return VERSION;
      case DEVICE_ID:
        return device.type;
      case VENDOR_ID:
        return VENDOR;
      case DEVICE_FEATURES:
        return device.features[this.deviceSelect] ?? 0;
      case QUEUE_NUM_MAX:
        return queue?.max ?? 0;
      case QUEUE_READY:
        return queue?.enabled === true ? 1 : 0;
      case INTERRUPT_STATUS:
        return this.interruptStatus;
      case STATUS:
        return device.status;
      case CONFIG_GENERATION:
        return device.configGeneration;
      default:
        return offset >= SHM_FIRST && offset <= SHM_LAST ? 0xffff_ffff : 0;
    }
  }

  mmioWrite(offset: number, size: AccessSize, value: number): void {
    if (offset >= CONFIG) this.device.configWrite(offset - CONFIG, size, value >>> 0);
    else if (size === 4 && (offset & 3) === 0) this.setRegister(offset, value >>> 0);
  }

  private setRegister(offset: number, value: number): void {
    const { device, queue } = this;
    switch (offset) {
      case DEVICE_FEATURES_SEL:
        this.deviceSelect = value;
        break;
      case DRIVER_FEATURES_SEL:
        this.driverSelect = value;
        break;
      case DRIVER_FEATURES:
        if (this.driverSelect < 2) device.acceptFeatures(this.driverSelect as 0 | 1, value);
        break;
      case QUEUE_SEL:
        this.queueSelect = value & 0xffff;
        break;
      case QUEUE_NOTIFY:
        // The upper half is there with F_NOTIFICATION_DATA only, which is not offered.
        device.notify(value & 0xffff);
        break;
      case INTERRUPT_ACK:
        this.interruptStatus &= ~value;
        this.pull();
        break;
      case STATUS:
        device.setStatus(value & 0xff);
        if ((value & 0xff) === 0) this.forget();
        break;
      default:
        if (queue !== undefined) this.setQueue(queue, offset, value);
    }
  }

  private setQueue(queue: Virtqueue, offset: number, value: number): void {
    const { device } = this;
    if (offset === QUEUE_RESET) {
      if (value & 1) device.resetQueue(queue);
    } else if (offset === QUEUE_READY) {
      if ((value & 1) === 0) device.resetQueue(queue);
      else if (!queue.enabled) device.enable(queue);
    } else if (queue.enabled)
      return; // 4.2.2.2: not while QueueReady is 1.
    else if (offset === QUEUE_NUM) queue.size = value & 0xffff;
    else queue.setHalf(ADDRESSES[offset & ~4], (offset & 4) === 0, value);
  }

  /** What a reset of the device forgets here. */
  private forget(): void {
    this.interruptStatus = 0;
    this.deviceSelect = 0;
    this.driverSelect = 0;
    this.queueSelect = 0;
    this.pull();
  }

  reset(): void {
    this.device.reset();
    this.forget();
  }

  save(): DeviceState {
    const { interruptStatus, deviceSelect, driverSelect, queueSelect } = this;
    return { device: [this.device.save()], registers: [interruptStatus, deviceSelect, driverSelect, queueSelect] };
  }

  restore(state: DeviceState): void {
    const [device] = savedParts(state, 'device', 1) as [DeviceState];
    const registers = savedInts(state, 'registers', 4, 0, 0xffff_ffff) as [number, number, number, number];
    this.device.restore(device);
    [this.interruptStatus, this.deviceSelect, this.driverSelect, this.queueSelect] = registers;
    this.pull();
  }
}

/** The area of a queue whose address is at an offset. */
const ADDRESSES: Readonly<Record<number, 'descriptors' | 'driver' | 'device'>> = {
  [QUEUE_DESC]: 'descriptors',
  [QUEUE_DRIVER]: 'driver',
  [QUEUE_DEVICE]: 'device',
};
