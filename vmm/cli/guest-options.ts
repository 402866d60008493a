/**
 * Options of every command that runs a guest (`run`, `demo`), as yargs takes them; what they mean is in `guest-settings.ts`.
 *
 * @module
 */
import type { Argv } from 'yargs';
import { CPU_MODELS, type CpuModel } from '../cpu/cpuid.ts';
import { CONSOLES } from './console-option.ts';
import { checkArguments } from './options.ts';

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
  metrics?: string;
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

/** Of options that make the board. yargs is not told: it would not say whether one was given, which matters beside --restore. */
export const BOARD_DEFAULTS = { memory: '256M', 'exit-cost': 'default', seed: '0', cpu: 'max', cpus: '1' } as const;
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
      describe: 'modelled time of VM exits: none, default, a processor (see lucid exits --cost), or a JSON file',
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
      describe: 'write every VM exit to FILE[,format=binary|json][,stack][,watch=ADDRESS]; lucid events reads it',
    })
    .option('metrics', {
      type: 'string',
      requiresArg: true,
      describe: 'serve the counters to Prometheus at PORT of 127.0.0.1, or HOST:PORT; 0 is any free port',
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
    .group(['memory', 'cpu', 'cpus', 'exit-cost', 'intercept', 'rtc', 'seed', 'name'], 'The machine:')
    .group(
      ['disk', 'cdrom', 'boot', 'nic', 'share', 'serial', 'console', 'vga', 'rng', 'hpet', 'ecam', 'virtio', 'debug-exit'],
      'Its devices:',
    )
    .group(['limit', 'clock', 'idle', 'engine'], 'The run:')
    .group(['events', 'metrics', 'exits', 'json'], 'What is told of it:')
    .check(checkArguments, true) as Argv<T & GuestArguments>;
}
