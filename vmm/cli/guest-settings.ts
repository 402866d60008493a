/**
 * What the options of a command that runs a guest (`guest-options.ts`) ask of the VM's thread.
 *
 * @module
 */
import { ExitCostError, loadExitCosts } from '../exit-cost.ts';
import { MemorySizeError, parseMemorySize } from '../memory.ts';
import { InterceptError, parseIntercepts } from '../intercepts.ts';
import type { DiskOptions } from '../disks.ts';
import { IDE_DRIVES_MAX } from '../drive-limits.ts';
import type { RunOptions } from '../worker-messages.ts';
import { consoleOf, terminalOf } from './console-option.ts';
import { parseEvents } from './events-option.ts';
import { late } from '../late.ts';
import { BOARD_DEFAULTS, type GuestArguments } from './guest-options.ts';
import { parseCdrom, parseCpus, parseDisk, parseEpoch, parseLimits, parsePort, parseSeed, printable, UsageError } from './options.ts';
import { parseVga } from './vga-option.ts';

// What few guests have.
const lateNic = late<typeof import('./nic-options.ts')>(new URL('./nic-options.ts', import.meta.url));
const lateShare = late<typeof import('./share-option.ts')>(new URL('./share-option.ts', import.meta.url));
const lateMetrics = late<typeof import('./metrics-option.ts')>(new URL('./metrics-option.ts', import.meta.url));

/** Everything but the guest's files. */
export type Settings = Omit<RunOptions, 'kernel' | 'bios' | 'restore' | 'initrd' | 'append' | 'kind'>;

/** Calls a parser whose errors are the user's. */
function asUsage<T>(parse: () => T): T {
  try {
    return parse();
  } catch (error) {
    if (error instanceof MemorySizeError) throw new UsageError(`--${error.message}`);
    if (error instanceof ExitCostError || error instanceof InterceptError) throw new UsageError(error.message);
    throw error;
  }
}

/** Turns the arguments into what the VM's thread takes. Throws UsageError. */
export function settingsOf(args: GuestArguments, defaultName: string, bios?: string): Settings {
  if (args.engine !== 'interp') {
    throw new UsageError(
      `--engine ${args.engine}: ${['jit', 'mixed', 'check'].includes(args.engine) ? 'not built yet' : 'unknown'}; there is interp`,
    );
  }
  const video = parseVga(args.vga, bios);
  const seed = parseSeed('--seed', args.seed ?? BOARD_DEFAULTS.seed);
  if (args.name !== undefined && !/^[!-~][ -~]*$/.test(args.name))
    throw new UsageError(`--name '${printable(args.name)}': not a name; write letters`);
  if (args.intercept !== undefined && !/[^,\s]/.test(args.intercept))
    throw new UsageError('--intercept: empty; write names such as cr3,pf');
  const nics = (args.nic ?? []).map((nic) => lateNic().parseNic(nic));
  const console = consoleOf(args);
  return {
    name: args.name ?? defaultName,
    memory: asUsage(() => parseMemorySize(args.memory ?? BOARD_DEFAULTS.memory)),
    ...terminalOf(args, { console, nics, ...video }),
    console,
    virtio: args.virtio,
    ecam: args.ecam,
    hpet: args.hpet,
    shares: args.share === undefined ? [] : lateShare().parseShares(args.share),
    ...video,
    exitCosts: asUsage(() => loadExitCosts(args['exit-cost'] ?? BOARD_DEFAULTS['exit-cost'])),
    intercepts: asUsage(() => parseIntercepts(args.intercept ?? '')),
    cpu: args.cpu ?? BOARD_DEFAULTS.cpu,
    cpus: parseCpus(args.cpus ?? BOARD_DEFAULTS.cpus),
    rng: args.rng,
    disks: drivesOf(args),
    boot: args.boot,
    nics,
    debugExit: args['debug-exit'] === undefined ? undefined : parsePort('--debug-exit', args['debug-exit']),
    events: args.events === undefined ? undefined : parseEvents(args.events),
    metrics: args.metrics === undefined ? undefined : lateMetrics().parseMetrics(args.metrics),
    rtcEpoch: args.rtc === undefined ? undefined : parseEpoch('--rtc', args.rtc),
    seed,
    limits: args.limit === undefined ? {} : parseLimits(args.limit),
    clock: args.clock === 'host' ? 'host' : 'virtual',
  };
}

/** Disks and CDs. Throws UsageError when there are more IDE drives than places. */
function drivesOf({ disk = [], cdrom = [] }: GuestArguments): DiskOptions[] {
  const drives = [...disk.map(parseDisk), ...cdrom.map(parseCdrom)];
  const ide = drives.filter((drive) => (drive.interface ?? 'virtio') !== 'virtio');
  if (ide.length > IDE_DRIVES_MAX)
    throw new UsageError(`--${cdrom.length > 0 ? 'cdrom' : 'disk'}: ${ide.length} IDE drives; there is room for ${IDE_DRIVES_MAX}`);
  return drives;
}
