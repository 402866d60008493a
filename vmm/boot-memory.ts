/**
 * Memory while a guest is loaded: RAM as loaders see it, and room for the files that they read.
 *
 * @module
 */
import type { BootMemory } from './boot/index.ts';
import { MEMORY_MAP } from './cpu/layout.ts';
import type { Vm } from './vm.ts';

/**
 * Room for the guest's files while they are loaded, given back to the host at once by `release`: the collector might keep it for as long as the guest runs.
 * Blocks above 32 MiB, because the C library raises its limits for keeping freed memory whenever a smaller one is freed.
 */
export class Scratch {
  readonly #blocks: ArrayBuffer[] = [];

  readonly room = (bytes: number): Uint8Array => {
    const block = new ArrayBuffer(Math.max(bytes, 33 * 1048576));
    this.#blocks.push(block);
    return new Uint8Array(block, 0, bytes);
  };

  release(): void {
    for (const block of this.#blocks.splice(0)) block.transfer(0);
  }
}

/** Guest RAM as loaders see it. Zeroing leaves pages alone that are zero, so that the host need not give them. */
export function bootMemory(vm: Vm, size: number): BootMemory {
  return {
    size,
    write(gpa, bytes) {
      vm.ram.write(gpa, bytes);
    },
    zero(gpa, bytes) {
      const view = vm.ram.view(gpa, bytes);
      if (view === undefined) return;
      for (let at = 0; at < bytes; at += 4096) {
        const page = view.subarray(at, Math.min(at + 4096, bytes));
        if (page.some((b) => b !== 0)) page.fill(0);
      }
      vm.core.dmaWritten(MEMORY_MAP.RAM_BASE + gpa, bytes);
    },
  };
}
