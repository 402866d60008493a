/**
 * A device behind the MMIO transport, for the drivers of board.ts: what they say to PCI's common configuration, said to the registers of 4.2.2.
 *
 * @module
 */
import type { AccessSize } from '../../../vmm/bus.ts';
import type { VirtioDevice } from '../../../devices/virtio/device.ts';
import { VirtioMmio } from '../../../devices/virtio/mmio.ts';
import { FakeLine } from '../fake.ts';
import { type Board, FakeMmio, type FakeMemory } from './board.ts';

const AT = 0xfed8_0000;
/** Register of a common configuration field (4.1.4.3). */
const REGISTERS: Readonly<Record<number, number>> = {
  [0x00]: 0x014,
  [0x04]: 0x010,
  [0x08]: 0x024,
  [0x0c]: 0x020,
  [0x14]: 0x070,
  [0x15]: 0x0fc,
  [0x16]: 0x030,
  [0x18]: 0x038,
  [0x1c]: 0x044,
  [0x20]: 0x080,
  [0x24]: 0x084,
  [0x28]: 0x090,
  [0x2c]: 0x094,
  [0x30]: 0x0a0,
  [0x34]: 0x0a4,
  [0x3a]: 0x0c0,
};

export class MmioBoard implements Omit<Board, 'pci' | 'decode'> {
  readonly memory: FakeMemory;
  readonly mmio = new FakeMmio();
  readonly line = new FakeLine();
  readonly messages: [number, number][] = [];
  readonly transport: VirtioMmio;

  constructor(memory: FakeMemory, device: VirtioDevice) {
    this.memory = memory;
    this.transport = new VirtioMmio({ device, line: this.line });
    this.mmio.addMmio(AT, 0x1000, this.transport);
  }

  read(at: number, size: AccessSize = 4): number {
    return this.mmio.read(AT + at, size);
  }

  write(at: number, value: number, size: AccessSize = 4): void {
    this.mmio.write(AT + at, size, value);
  }

  common(at: number, _size: AccessSize): number {
    return this.read(REGISTERS[at] ?? 0xff0);
  }

  setCommon(at: number, _size: AccessSize, value: number): void {
    this.write(REGISTERS[at] ?? 0xff0, value);
  }

  notify(queue: number): void {
    this.write(0x050, queue);
  }

  config(at: number, size: AccessSize): number {
    return this.read(0x100 + at, size);
  }

  get status(): number {
    return this.read(0x070);
  }

  set status(value: number) {
    this.write(0x070, value);
  }

  negotiate(features: readonly number[]): void {
    this.status = 0;
    this.status = 1;
    this.status = 3;
    for (const half of [0, 1]) {
      const bits = features.filter((bit) => bit >> 5 === half).reduce((word, bit) => (word | (1 << (bit & 31))) >>> 0, 0);
      this.write(0x024, half);
      this.write(0x020, bits);
    }
    this.status = 0x0b;
  }

  offered(bit: number): boolean {
    this.write(0x014, bit >> 5);
    return ((this.read(0x010) >>> (bit & 31)) & 1) !== 0;
  }
}
