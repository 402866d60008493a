/**
 * PCI's configuration space in memory: the enhanced configuration access mechanism, for bus 0.
 *
 * Specification: PCI Express Base Specification 3.0, section 7.2.2: 4 KB a function, at device * 32 KB + function * 4 KB. The functions of this board have
 * the first 256 bytes; the rest of one reads as zeros, which is an empty list of extended capabilities (7.9), and swallows writes. What is absent reads as ones.
 *
 * @module
 */
import type { AccessSize, MmioDevice } from '../vmm/bus.ts';
import type { Pci } from './pci.ts';

/** Bus 0: 32 devices of 8 functions of 4 KB. */
export const ECAM_BYTES = 0x10_0000;
const FUNCTION_SHIFT = 12;
const REGISTER_MASK = 0xfff;
const CONVENTIONAL_BYTES = 0x100;

export class Ecam implements MmioDevice {
  private readonly pci: Pci;

  constructor(pci: Pci) {
    this.pci = pci;
  }

  mmioRead(offset: number, size: AccessSize): number {
    const device = this.pci.functionAt(offset >> FUNCTION_SHIFT);
    if (device === undefined) return 2 ** (8 * size) - 1;
    const register = offset & REGISTER_MASK;
    if (register + size > CONVENTIONAL_BYTES) return 0;
    if ((register & 3) + size <= 4) return device.configRead(register, size) >>> 0;
    // Across two double words: a byte at a time.
    let value = 0;
    for (let i = 0; i < size; i++) value |= device.configRead(register + i, 1) << (8 * i);
    return value >>> 0;
  }

  mmioWrite(offset: number, size: AccessSize, value: number): void {
    const device = this.pci.functionAt(offset >> FUNCTION_SHIFT);
    const register = offset & REGISTER_MASK;
    if (device === undefined || register + size > CONVENTIONAL_BYTES) return;
    if ((register & 3) + size <= 4) device.configWrite(register, size, value >>> 0);
    else for (let i = 0; i < size; i++) device.configWrite(register + i, 1, (value >>> (8 * i)) & 0xff);
  }
}
