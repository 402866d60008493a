/**
 * `lucid run`: boots a kernel and gives it a console.
 *
 * @module
 */
import process from 'node:process';
import type { Argv, CommandModule } from 'yargs';
import type { BootKind } from '../boot/index.ts';
import { CPU_MODELS, type CpuModel } from '../cpu/cpuid.ts';
import { ExitCostError, loadExitCosts } from '../exit-cost.ts';
import { MemorySizeError, parseMemorySize } from '../memory.ts';
import { InterceptError, parseIntercepts } from '../intercepts.ts';
import type { DiskOptions } from '../disks.ts';
import { IDE_DRIVES_MAX } from '../drive-limits.ts';
import type { BoardOptions } from '../saved-machine.ts';
import type { RunOptions } from '../worker-messages.ts';
import { parseEvents } from './events-option.ts';
import { defaultFirmware, FIRMWARE } from './firmware.ts';
import { checkArguments, parseCdrom, parseCpus, parseDisk, parseEpoch, parseLimits, parsePort, parseSeed, UsageError } from './options.ts';
import { CONSOLES, consoleOf, terminalOf } from './console-option.ts';
import { parseNic, replaced } from './nic-options.ts';
import { parseShares } from './share-option.ts';
import type { TraceArguments } from './dlite-options.ts';
import { type InlineTrace, runSession, type SessionResult } from './session.ts';
import { parseVga } from './vga-option.ts';
import { exitStatus, outcomeText, summaryLines } from './summary.ts';

/** Options that `run` and `demo` share. */
export interface GuestArguments {
  memory?: string;
  serial?: string;
  console?: (typeof CONSOLES)[number];
  vga?: string;
  exits?: boolean;
  'exit-cost'?: string;
  intercept?: string;
  'debug-exit'?: string;
  events?: string;
  limit?: string;
  clock: string;
  idle?: string;
  rtc?: string;
  seed?: string;
  cpu?: CpuModel;
  cpus?: string;
  rng?: boolean;
  disk?: string[];
  cdrom?: string[];
  boot?: 'disk' | 'cdrom';
  nic?: string[];
  share?: string[];
  virtio?: 'pci' | 'mmio';
  ecam?: boolean;
  hpet?: boolean;
  engine: string;
  name?: string;
  json: boolean;
}

export interface RunArguments extends GuestArguments {
  image?: string;
  kernel?: string;
  bios?: string;
  restore?: string;
  initrd?: string;
  append: string;
  entry?: string;
}

/** Of options that make the board. yargs is not told: it would not say whether one was given, which matters beside --restore. */
const BOARD_DEFAULTS = { memory: '256M', 'exit-cost': 'default', seed: '0', cpu: 'max', cpus: '1' } as const;
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

const ENTRIES = ['bzimage', 'bzimage32', 'bzimage16', 'pvh', 'multiboot'] as const satisfies readonly BootKind[];

/** The options of every command that runs a guest. */
export function guestOptions<T>(yargs: Argv<T>): Argv<T & GuestArguments> {
  return yargs
    .option('memory', {
      type: 'string',
      requiresArg: true,
      describe: 'guest RAM: 64M, 2G; at most 3584M',
      defaultDescription: BOARD_DEFAULTS.memory,
    })
    .option('serial', { type: 'string', requiresArg: true, defaultDescription: 'stdio', describe: 'COM1: stdio, a file, or null' })
    .option('console', {
      choices: CONSOLES,
      requiresArg: true,
      defaultDescription: 'serial',
      describe: 'where the terminal is: COM1, or a virtio console (hvc0), with --serial null then unless told otherwise',
    })
    .option('vga', {
      type: 'string',
      requiresArg: true,
      describe: 'text: a VGA and a keyboard on the terminal (not on one: shown at the end); text,rom=FILE: with this video BIOS',
      defaultDescription: 'none',
    })
    .option('exits', { type: 'boolean', describe: 'print what the guest did when it ends (the default on a terminal; --no-exits)' })
    .option('exit-cost', {
      type: 'string',
      defaultDescription: BOARD_DEFAULTS['exit-cost'],
      requiresArg: true,
      describe: 'modelled time of VM exits: none, default, or a JSON file',
    })
    .option('intercept', {
      type: 'string',
      requiresArg: true,
      describe: 'more exits: cr3,invlpg,rdtsc,pause,dr,cr8 and exceptions (pf,ud,...)',
    })
    .option('debug-exit', {
      type: 'string',
      requiresArg: true,
      describe: 'port at which the guest ends the run with a status, such as 0xf4',
    })
    .option('events', {
      type: 'string',
      requiresArg: true,
      describe: 'write every VM exit to FILE[,format=binary|json][,stack]; lucid events reads it',
    })
    .option('limit', { type: 'string', requiresArg: true, describe: 'end after insns=N, time=S of the guest, wall=S of the host' })
    .option('clock', {
      choices: ['virtual', 'host'],
      default: 'virtual',
      requiresArg: true,
      describe: 'what moves guest time: instructions, or the host too',
    })
    .option('idle', {
      choices: ['skip', 'pace'],
      requiresArg: true,
      describe: 'what happens when the guest waits (pace with a person at the console)',
    })
    .option('rtc', { type: 'string', requiresArg: true, describe: 'date of the RTC at the start: 2024-01-31T12:00:00Z or seconds' })
    .option('seed', {
      type: 'string',
      requiresArg: true,
      describe: 'of everything that is random in the machine',
      defaultDescription: BOARD_DEFAULTS.seed,
    })
    .option('cpu', {
      choices: CPU_MODELS,
      defaultDescription: BOARD_DEFAULTS.cpu,
      requiresArg: true,
      describe: 'processor: x86-64-v1, v2, v3, or all that there is',
    })
    .option('cpus', {
      type: 'string',
      requiresArg: true,
      describe: 'how many processors, 1 to 8; they take turns',
      defaultDescription: BOARD_DEFAULTS.cpus,
    })
    .option('disk', {
      type: 'string',
      array: true,
      requiresArg: true,
      describe:
        'a disk: FILE[,ro][,snapshot][,overlay=F][,format=raw|qcow2][,serial=S][,queues=N][,if=virtio|ide]; snapshot keeps writes in memory, overlay in a qcow2 file. May be given several times',
    })
    .option('nic', {
      type: 'string',
      array: true,
      requiresArg: true,
      describe: 'a NIC: user[,hostfwd=tcp:H:G][,restrict], pcap:FILE (played), link:SOCKET or none; each [,pcap=FILE][,mac=M]',
    })
    .option('cdrom', {
      type: 'string',
      array: true,
      requiresArg: true,
      describe: 'a CD image for an IDE drive (ATAPI). May be given several times',
    })
    .option('boot', {
      choices: ['disk', 'cdrom'] as const,
      requiresArg: true,
      describe: 'what firmware tries first: disks, in their order, or CDs',
    })
    .option('share', {
      type: 'string',
      array: true,
      requiresArg: true,
      describe: 'a directory for the guest (virtio 9p): DIR[,tag=NAME][,rw], read-only without rw. May be given several times',
    })
    .option('virtio', {
      choices: ['pci', 'mmio'] as const,
      requiresArg: true,
      defaultDescription: 'pci',
      describe: 'how the guest reaches its virtio devices: by PCI, or in memory as ACPI tells it',
    })
    .option('ecam', { type: 'boolean', describe: "PCI's configuration space in memory too (MCFG)" })
    .option('hpet', { type: 'boolean', describe: 'a high precision event timer' })
    .option('rng', { type: 'boolean', describe: 'an entropy device (virtio), whose bytes follow from --seed' })
    .option('engine', { type: 'string', default: 'interp', requiresArg: true, describe: 'how guest code runs: interp' })
    .option('name', { type: 'string', requiresArg: true, describe: 'of the VM' })
    .option('json', {
      type: 'boolean',
      default: false,
      describe: 'print the summary as JSON on standard output (the console goes to standard error)',
    })
    .check(checkArguments, true) as Argv<T & GuestArguments>;
}

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
  const nics = (args.nic ?? []).map(parseNic);
  const console = consoleOf(args);
  return {
    name: args.name ?? defaultName,
    memory: asUsage(() => parseMemorySize(args.memory ?? BOARD_DEFAULTS.memory)),
    ...terminalOf(args, { console, nics, ...video }),
    console,
    virtio: args.virtio,
    ecam: args.ecam,
    hpet: args.hpet,
    shares: parseShares(args.share ?? []),
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

/** Runs a guest and prints what was asked for; the exit status. */
export async function runGuest(
  run: RunOptions,
  args: Pick<GuestArguments, 'exits' | 'json'>,
  traced?: TraceArguments | { readonly script: string },
): Promise<number> {
  const output = args.json ? process.stderr : process.stdout;
  let trace: InlineTrace | undefined;
  let traceText = (): string => '';
  if (traced !== undefined) {
    // Only here: a run that is not traced must not load a compiler.
    const { prepareScript, prepareTrace } = await import('./inline-trace.ts');
    if ('script' in traced) ({ trace, text: traceText } = prepareScript(traced.script));
    else trace = prepareTrace(traced, output);
  }
  const result = await runSession({ run, output, trace });
  if (result.screen !== undefined) output.write(`${result.screen.lines.join('\n').trimEnd()}\n`);
  const shown = args.exits ?? (process.stdout.isTTY === true && !args.json);
  if (result.death !== undefined) process.stderr.write(`\n${result.death}\n`);
  else if (result.outcome.kind !== 'power-off' && !shown) process.stderr.write(`lucid: ${outcomeText(result.outcome)}\n`);
  if (args.json) process.stdout.write(`${JSON.stringify(jsonOf(run, result))}\n`);
  if (shown) process.stderr.write(`\n${summaryLines(run.name, result.outcome, result.report, result.host).join('\n')}\n`);
  if (traceText() !== '') process.stderr.write(`\ntraced with D (images/demo.d; your own with -s FILE or -n PROGRAM):\n\n${traceText()}`);
  return exitStatus(result.outcome);
}

function jsonOf(run: RunOptions, { outcome, report, host, screen }: SessionResult): object {
  return { name: run.name, outcome, exitStatus: exitStatus(outcome), ...report, host, screen };
}

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
  const [{ boardOf }, { StateError }] = await Promise.all([import('../saved-machine.ts'), import('../bus.ts')]);
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

function printable(text: string): string {
  return text.replaceAll(/[^ -~]/g, '?');
}

// One line: yargs wraps it.
const TRACE_HELP = `Tracing with D: -n PROGRAM and -s FILE (any number; also -P -m -f -i) enable a program before the first instruction; END
fires when the guest has ended, or after exit() in D, which ends the tracing alone. The VM waits for its trace, in no time of its own, so nothing is
lost and two runs give the same. Output goes where the console goes, or to the end of a file with -o FILE. Also: -x OPTION[=VALUE] -b SIZE -q -F -w -Z
-C -D NAME[=VALUE] -U NAME -I DIR -L DIR, and after -- the arguments of the program, $1 and on. As in dlite; see dlite --help.`.replaceAll(
  '\n',
  ' ',
);

/** The run that a whole command line describes. Throws UsageError. */
export async function runOptionsOf(args: RunArguments): Promise<RunOptions> {
  const guest = guestOf(args);
  const disk = args.image === undefined ? args.disk : [args.image, ...(args.disk ?? [])];
  const own = settingsOf({ ...args, disk }, nameOf(args, disk?.[0] ?? args.cdrom?.[0]), guest.bios);
  const ways = { append: args.append, kind: args.entry as BootKind | undefined };
  const settings = { ...own, ...ways, ...(guest.restore === undefined ? undefined : await savedBoard(guest.restore, args)) };
  return { ...settings, ...terminalOf(args, settings), ...guest };
}

export function runCommand(done: (status: number) => void, trace: TraceArguments | undefined): CommandModule<object, RunArguments> {
  return {
    command: 'run [image]',
    describe: 'boot a disk image or a kernel',
    builder: (yargs) =>
      guestOptions(
        yargs
          .positional('image', { type: 'string', describe: 'the first disk, as with --disk, from which firmware boots' })
          .option('kernel', {
            type: 'string',
            requiresArg: true,
            describe: 'bzImage, or an ELF with a PVH note or a multiboot header',
          })
          .option('bios', {
            type: 'string',
            requiresArg: true,
            describe: `start in this firmware image (a ROM); without a kernel ${FIRMWARE}`,
          })
          .option('restore', {
            type: 'string',
            requiresArg: true,
            describe: 'go on from a snapshot (lucid save), on the machine that is in it',
          })
          .option('initrd', { type: 'string', requiresArg: true, describe: 'initial ramdisk, or the multiboot module' })
          .option('append', { type: 'string', default: '', requiresArg: true, describe: 'the command line of the guest' })
          .option('entry', { choices: ENTRIES, requiresArg: true, describe: 'enter the kernel by this protocol' }),
      )
        .example('$0 run --kernel vmlinuz --initrd initrd.img --append console=ttyS0', 'boot Linux with its console here')
        .example('$0 run --kernel test.elf --debug-exit 0xf4 --limit time=10 --exits', 'run a test kernel, count its exits')
        .example('$0 run --kernel vmlinuz --cpus 2 --disk root.img,snapshot', 'two processors, a disk whose image stays as it is')
        .example('$0 run disk.img --cdrom install.iso --boot cdrom', 'boot a CD, with a disk to install on')
        .example('$0 run disk.img,snapshot', 'boot a disk by its own boot loader; the image stays as it is')
        .example('$0 run dos.img --vga text', 'with a screen and a keyboard instead of COM1')
        .example('$0 run --kernel vmlinuz --serial null --json', 'the counts, for a script')
        .example("$0 run --kernel vmlinuz -n 'kvm-inj-virq { @[arg0] = count(); }'", 'trace with D from the first instruction on')
        .epilogue(TRACE_HELP) as Argv<RunArguments>,
    handler: async (args) => {
      done(await runGuest(await runOptionsOf(args), { exits: args.exits, json: args.json }, trace));
    },
  };
}
