/**
 * Boot loaders: from the bytes of a kernel file to guest memory and the registers of the first instruction.
 *
 * Theory. A loader reads a hostile file, so everything it takes from it is checked before the first write; where things go is decided by one
 * `Placement`, which gives out and accepts only RAM of the memory map. Inside this folder a refusal is a thrown BootError; here it becomes a value with one
 * line for the user. Low memory holds what the protocol hands over (GDT, command line, page tables, parameters), wherever the image leaves room
 * from 0x1000 up; the initrd stands at the top.
 *
 * @module
 */
import { isBzImage, loadBzImage16, loadBzImage32, loadBzImage64, parseBzImage } from './bzimage.ts';
import { BootError, type BootKind, type BootOptions, type BootResult, type EntryState } from './entry.ts';
import { isElf } from './elf.ts';
import { loadMultiboot } from './multiboot.ts';
import { loadPvh } from './pvh.ts';
import { describe, recognise } from './recognise.ts';

export { checkFirmware, lowAlias } from './firmware.ts';
export { E820_RAM, E820_RESERVED, type E820Entry, EBDA, e820 } from './e820.ts';
export type { BootKind, BootMemory, BootModule, BootOptions, BootResult, EntryState, SegmentState, TableRegister } from './entry.ts';

/** Every kind that `BootOptions.kind` may force. */
export const BOOT_KINDS: readonly BootKind[] = ['bzimage', 'bzimage32', 'bzimage16', 'pvh', 'multiboot'];

const LOADERS: Record<BootKind, (options: BootOptions) => EntryState> = {
  bzimage: loadBzImage64,
  bzimage32: loadBzImage32,
  bzimage16: loadBzImage16,
  pvh: loadPvh,
  multiboot: loadMultiboot,
};

function choose(options: BootOptions): BootKind {
  const { kernel, kind } = options;
  if (kind === undefined) {
    const found = recognise(kernel);
    // Kernels without a 64-bit entry (32-bit ones, protocols before 2.12) have the 32-bit one.
    return found === 'bzimage' && !parseBzImage(kernel).has64 ? 'bzimage32' : found;
  }
  const fits = kind === 'multiboot' ? kernel.length > 0 : kind === 'pvh' ? isElf(kernel) || isBzImage(kernel) : isBzImage(kernel);
  if (!fits) throw new BootError(`${describe(kernel)}; the kind ${kind} was asked for`);
  return kind;
}

/**
 * Loads a guest: writes its image, initrd and boot parameters into `options.ram` and returns the registers to start with, or the
 * reason why it cannot be booted, in one line that begins with the file's name. Never throws, whatever the bytes.
 */
export function loadGuest(options: BootOptions): BootResult {
  try {
    const kind = choose(options);
    return { ok: true, kind, entry: LOADERS[kind](options) };
  } catch (error) {
    if (error instanceof BootError) return { ok: false, reason: `${error.subject ?? options.kernelName}: ${error.message}` };
    // A mistake of ours in reading a hostile file must not take the process down; the fuzz test looks for this text.
    const what = error instanceof Error ? `${error.name} ${error.message}` : String(error);
    return { ok: false, reason: `${options.kernelName}: the loader itself failed (${what.replaceAll('\n', ' ')})` };
  }
}
