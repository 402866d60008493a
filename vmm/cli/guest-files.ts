/**
 * What a command line of `lucid run` boots: a kernel, firmware with disks, or a saved machine, and which options go with it.
 *
 * @module
 */
import type { BootKind } from '../boot/index.ts';
import type { BoardOptions } from '../saved-machine.ts';
import type { RunOptions } from '../worker-messages.ts';
import { terminalOf } from './console-option.ts';
import { defaultFirmware } from './firmware.ts';
import type { GuestArguments } from './guest-options.ts';
import { settingsOf } from './guest-settings.ts';
import { parseDisk, printable, UsageError } from './options.ts';

export interface RunArguments extends GuestArguments {
  image?: string;
  kernel?: string;
  bios?: string;
  restore?: string;
  initrd?: string;
  append: string;
  entry?: string;
}

/** Options that make the board, all but its name. */
const BOARD_OPTIONS = [
  'memory',
  'exit-cost',
  'intercept',
  'debug-exit',
  'rtc',
  'seed',
  'cpu',
  'cpus',
  'rng',
  'disk',
  'cdrom',
  'boot',
  'console',
  'share',
  'virtio',
  'ecam',
  'hpet',
  'bios',
  'vga',
] as const;

/** The files of the guest: a kernel with what goes with it, firmware, or a snapshot. A machine with a disk and no kernel starts in firmware. */
function guestOf(args: RunArguments): Pick<RunOptions, 'kernel' | 'bios' | 'initrd' | 'restore'> {
  const { kernel, initrd, restore, image } = args;
  const disk = image ?? args.disk ?? args.cdrom;
  const files = { kernel, initrd, append: args.append || undefined, entry: args.entry };
  if (restore !== undefined) {
    const board = Object.fromEntries(BOARD_OPTIONS.map((option) => [option, args[option]]));
    refuseWith('restore', 'which goes on with the machine that was saved', {
      ...files,
      ...board,
      ...(image === undefined ? undefined : { disk: image }),
    });
    return { restore };
  }
  const bios = args.bios ?? (kernel === undefined && disk !== undefined ? defaultFirmware() : undefined);
  if (bios !== undefined) {
    refuseWith('bios', 'which starts in the firmware', files);
    return { bios };
  }
  if (kernel !== undefined && image !== undefined)
    throw new UsageError(`${image}: not expected beside --kernel; a disk of a kernel is given as --disk ${image}`);
  if (kernel === undefined) throw new UsageError('nothing to run: give a disk image, --kernel FILE, --bios FILE, or --restore FILE');
  return { kernel, initrd };
}

function refuseWith(option: string, why: string, others: Readonly<Record<string, unknown>>): void {
  for (const [other, value] of Object.entries(others)) {
    if (value !== undefined) throw new UsageError(`--${other}: not with --${option}, ${why}`);
  }
}

/** The machine that is in a snapshot. Its name may be another one. */
async function savedBoard(path: string, args: RunArguments): Promise<BoardOptions> {
  const [{ boardOf }, { StateError }, { parseNic, replaced }] = await Promise.all([
    import('../saved-machine.ts'),
    import('../bus.ts'),
    import('./nic-options.ts'),
  ]);
  try {
    const board = boardOf(path);
    const { name = board.name, nic } = args;
    return { ...board, name, nics: nic === undefined ? board.nics : replaced(board.nics ?? [], nic.map(parseNic)) };
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (error instanceof StateError) throw new UsageError(`--restore ${path}: ${message}`);
    if (code === undefined) throw error;
    throw new UsageError(`--restore ${path}: ${code === 'ENOENT' ? 'there is no such file' : code}`);
  }
}

/** The VM's name without one given: of the file that it boots from. */
function nameOf(args: RunArguments, disk: string | undefined): string {
  return baseName(args.bios ?? args.kernel ?? (disk === undefined ? '' : parseDisk(disk).path));
}

/** A file's name as the VM's. */
function baseName(path: string): string {
  return printable(path.slice(path.lastIndexOf('/') + 1)) || 'vm';
}

/** The run that a whole command line describes. Throws UsageError. */
export async function runOptionsOf(args: RunArguments): Promise<RunOptions> {
  const guest = guestOf(args);
  const disk = args.image === undefined ? args.disk : [args.image, ...(args.disk ?? [])];
  const own = settingsOf({ ...args, disk }, nameOf(args, disk?.[0] ?? args.cdrom?.[0]), guest.bios);
  const ways = { append: args.append, kind: args.entry as BootKind | undefined };
  const settings = { ...own, ...ways, ...(guest.restore === undefined ? undefined : await savedBoard(guest.restore, args)) };
  return { ...settings, ...terminalOf(args, settings), ...guest };
}
