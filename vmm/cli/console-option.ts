/**
 * Where the terminal is in the guest: on COM1, on a virtio console (`--console virtio`), or on a VGA and a keyboard (`--vga text`), with what stands behind
 * COM1 then.
 *
 * @module
 */
import { isOutside } from '../../devices/net/options.ts';
import type { RunOptions } from '../worker-messages.ts';
import { UsageError } from './options.ts';

export const CONSOLES = ['serial', 'virtio'] as const;

export interface ConsoleArguments {
  console?: (typeof CONSOLES)[number];
  serial?: string;
  idle?: string;
}

/** The virtio console that was asked for, as large as the terminal is now. */
export function consoleOf({ console: kind }: ConsoleArguments): RunOptions['console'] {
  if (kind !== 'virtio') return undefined;
  const { columns, rows, isTTY } = process.stdout;
  return isTTY === true ? { size: { columns: columns & 0xffff, rows: rows & 0xffff } } : {};
}

/** What follows from where the terminal is. Throws UsageError when two want it. */
export function terminalOf(
  args: ConsoleArguments,
  { console, vga, nics = [] }: Pick<RunOptions, 'console' | 'vga' | 'nics'>,
): Pick<RunOptions, 'serial' | 'attached' | 'idle'> {
  if (vga !== undefined && console !== undefined)
    throw new UsageError('--console virtio: the terminal shows the VGA (--vga text); give one of them');
  if (vga !== undefined && args.serial === 'stdio')
    throw new UsageError('--serial stdio: the terminal shows the VGA (--vga text); give --serial null or a file');
  const elsewhere = console !== undefined || vga !== undefined;
  const serial = args.serial ?? (elsewhere ? 'null' : 'stdio');
  const attached = serial === 'stdio' || elsewhere;
  const person = attached && process.stdin.isTTY === true;
  return {
    serial: serial === 'stdio' || serial === 'null' ? serial : { file: serial },
    attached,
    idle: args.idle === 'skip' || args.idle === 'pace' ? args.idle : person || nics.some(isOutside) ? 'pace' : 'skip',
  };
}
