/**
 * The two engines that are compared: Lucid from source, and QEMU's TCG on one thread.
 *
 * Both get the same image, the same memory and a serial console that is read to its end; QEMU without the devices it adds by default, as Lucid
 * has none of them (its firmware still runs).
 *
 * @module
 */
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import type { BootKind } from '../../vmm/boot/index.ts';
import type { HostReport, Outcome, VmReport } from '../../vmm/report.ts';
import { type Ran, runTimed, which } from './measure.ts';

const LUCID = fileURLToPath(new URL('../../vmm/cli/lucid.ts', import.meta.url));
export const QEMU = 'qemu-system-x86_64';
const MEMORY = 256;
/** Where guests of a benchmark end their run. */
const DEBUG_EXIT = '0xf4';

export interface Image {
  readonly kernel: string;
  readonly initrd?: string;
  readonly append?: string;
  /** MiB; 256 without. */
  readonly memory?: number;
  /** How it is entered, when not as it is recognised; only Lucid can choose. */
  readonly entry?: BootKind;
  /** The guest ends by writing this to the debug-exit port; without, by powering off. */
  readonly exits?: number | 'any';
  /** What its console must say. */
  readonly says?: string;
  /** Ends the run after so many instructions; only Lucid can. */
  readonly limit?: number;
}

/** `lucid run --json`'s answer. */
export type LucidReport = VmReport & { readonly outcome: Outcome; readonly host: HostReport };

const LIMIT_REACHED = 4;

function endedWell(image: Image, status: number): boolean {
  if (image.limit !== undefined && status === LIMIT_REACHED) return true;
  if (image.exits === 'any') return status % 2 === 1;
  return status === (image.exits === undefined ? 0 : (image.exits << 1) | 1);
}

/** Throws when the guest did not do what it was to do: a figure of a run that failed is none. */
function check(who: string, image: Image, ran: Ran, console: string): void {
  const tail = `${console.slice(-1000)}\n${ran.stderr.slice(-1000)}`;
  if (ran.status === null || !endedWell(image, ran.status)) throw new Error(`${who} ended with status ${ran.status}\n${tail}`);
  if (image.says !== undefined && !console.includes(image.says)) throw new Error(`${who}: the guest never said ${image.says}\n${tail}`);
}

/** `more`: further options. */
export function runLucid(image: Image, more: readonly string[] = []): { report: LucidReport; console: string; cpuSeconds: number } {
  const args = [LUCID, 'run', '--memory', `${image.memory ?? MEMORY}M`, '--kernel', image.kernel, '--json', ...more];
  if (image.initrd !== undefined) args.push('--initrd', image.initrd);
  if (image.append !== undefined) args.push('--append', image.append);
  if (image.entry !== undefined) args.push('--entry', image.entry);
  if (image.exits !== undefined) args.push('--debug-exit', DEBUG_EXIT);
  if (image.limit !== undefined) args.push('--limit', `insns=${image.limit}`);
  const ran = runTimed(process.execPath, args);
  // With --json the console goes to standard error.
  check('lucid', image, ran, ran.stderr);
  return { report: JSON.parse(ran.stdout) as LucidReport, console: ran.stderr, cpuSeconds: ran.cpuSeconds };
}

export function runQemu(image: Image): { cpuSeconds: number } {
  const args = [
    '-accel',
    'tcg,thread=single',
    '-nodefaults',
    '-display',
    'none',
    '-serial',
    'stdio',
    '-no-reboot',
    '-m',
    String(image.memory ?? MEMORY),
    '-kernel',
    image.kernel,
  ];
  if (image.initrd !== undefined) args.push('-initrd', image.initrd);
  if (image.append !== undefined) args.push('-append', image.append);
  if (image.exits !== undefined) args.push('-device', `isa-debug-exit,iobase=${DEBUG_EXIT},iosize=1`);
  const ran = runTimed(QEMU, args);
  check('QEMU', image, ran, ran.stdout);
  return { cpuSeconds: ran.cpuSeconds };
}

/** QEMU's name with its version, or undefined when it is not installed. */
export function qemuName(): string | undefined {
  if (which(QEMU) === undefined) return undefined;
  const version = /version (\S+)/.exec(runTimed(QEMU, ['--version']).stdout)?.[1] ?? '';
  return `QEMU ${version} TCG`.replace('  ', ' ');
}

/** What the table says where QEMU would stand. */
export const NO_QEMU = `${QEMU} is not installed`;
