/**
 * Where the terminal is in the guest: on COM1, or on a virtio console (`--console virtio`), with what stands behind COM1 then.
 *
 * @module
 */
import process from 'node:process';
import { isOutside } from '../../devices/net/options.ts';
import type { RunOptions } from '../worker-messages.ts';

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

/** What follows from where the terminal is. */
export function terminalOf(
  args: ConsoleArguments,
  { console, nics = [] }: Pick<RunOptions, 'console' | 'nics'>,
): Pick<RunOptions, 'serial' | 'attached' | 'idle'> {
  const serial = args.serial ?? (console === undefined ? 'stdio' : 'null');
  const attached = serial === 'stdio' || console !== undefined;
  const person = attached && process.stdin.isTTY === true;
  return {
    serial: serial === 'stdio' || serial === 'null' ? serial : { file: serial },
    attached,
    idle: args.idle === 'skip' || args.idle === 'pace' ? args.idle : person || nics.some(isOutside) ? 'pace' : 'skip',
  };
}
