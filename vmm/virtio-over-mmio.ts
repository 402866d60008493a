/**
 * Puts virtio devices onto a board that has them over MMIO; `virtio-mmio-places.ts` says where.
 *
 * @module
 */
import type { VirtioDevice } from '../devices/virtio/device.ts';
import { VirtioMmio } from '../devices/virtio/mmio.ts';
import type { IrqLine, Saveable } from './bus.ts';
import { SharedLines } from './shared-lines.ts';
import { PAGE, placeOf } from './virtio-mmio-places.ts';
import type { Vm } from './vm.ts';

export interface MmioSurroundings {
  line(gsi: number): IrqLine;
  keep(name: string, device: Saveable & { reset(): void }): void;
}

/** The function that adds device `index`. */
export function mmioAdder(vm: Vm, { line, keep }: MmioSurroundings): (name: string, device: VirtioDevice, index: number) => void {
  const shared = new SharedLines(line);
  return (name, device, index) => {
    const { gpa, gsi } = placeOf(index);
    const transport = new VirtioMmio({ device, line: shared.line(gsi) });
    vm.mmio.addMmio(gpa, PAGE, transport, name);
    keep(`virtio-mmio${index}`, transport);
  };
}
