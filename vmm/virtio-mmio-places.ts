/**
 * Where virtio devices stand on a board that has them over MMIO: a page each above the HPET's, two interrupt lines for all of them.
 *
 * @module
 */
import type { VirtioMmioPlace } from '../devices/acpi/optional.ts';
import type { VirtioDevice } from '../devices/virtio/device.ts';
import { VirtioMmio } from '../devices/virtio/mmio.ts';
import type { IrqLine, Saveable } from './bus.ts';
import type { Vm } from './vm.ts';

const FIRST = 0xfed8_0000;
const PAGE = 0x1000;
/** ISA interrupts that nothing of the board has, with and without a PIIX. */
const LINES = [5, 7] as const;

export interface MmioSurroundings {
  /** One of `LINES`, for whoever shares it. */
  line(gsi: number): IrqLine;
  keep(name: string, device: Saveable & { reset(): void }): void;
}

/** The place of device `index`. */
function placeOf(index: number): VirtioMmioPlace {
  return { gpa: FIRST + PAGE * index, gsi: LINES[index % LINES.length] as number };
}

export function mmioPlaces(count: number): readonly VirtioMmioPlace[] {
  return Array.from({ length: count }, (_, i) => placeOf(i));
}

export function addOverMmio(vm: Vm, around: MmioSurroundings, name: string, device: VirtioDevice, index: number): void {
  const { gpa, gsi } = placeOf(index);
  const transport = new VirtioMmio({ device, line: around.line(gsi) });
  vm.mmio.addMmio(gpa, PAGE, transport, name);
  around.keep(`virtio-mmio${index}`, transport);
}

/** Lines that several devices pull: high while one of them does. */
export class SharedLines {
  readonly #line: (gsi: number) => IrqLine;
  readonly #pulls = new Map<number, Set<object>>();

  constructor(line: (gsi: number) => IrqLine) {
    this.#line = line;
  }

  readonly line = (gsi: number): IrqLine => {
    const pulls = this.#pulls.get(gsi) ?? new Set<object>();
    this.#pulls.set(gsi, pulls);
    const target = this.#line(gsi);
    const source: IrqLine = {
      set(level) {
        if (level) pulls.add(source);
        else pulls.delete(source);
        target.set(pulls.size > 0);
      },
    };
    return source;
  };
}
