/**
 * Actions that do something at the consumer instead of saying something: exit(), system(), freopen(), ftruncate(), setopt().
 *
 * Models what dtrace(1M) and libdtrace do with such records. system() waits for its command; what was traced before it is written first.
 *
 * @module
 */
import { spawnSync } from 'node:child_process';
import type { ActionDescriptor, EpidDescriptor } from '../program.ts';
import { resolve } from '../d/types.ts';
import { byteString } from '../byte-string.ts';
import { readDatum, type RecordBytes } from './datum.ts';
import { parseFormat } from './format.ts';
import type { Output } from './output.ts';
import { compileFormat, type Piece } from './printf.ts';
import { libraryFaultText } from './reports.ts';
import type { Settings } from './settings.ts';

/** Runs a command and waits for it; its text is a byte string. */
export type Run = (command: string) => void;

/** A command by the shell, with this process's own input and outputs. */
export const runInShell: Run = (command) => {
  spawnSync(Buffer.from(command, 'latin1').toString('utf8'), { shell: '/bin/sh', stdio: 'inherit' });
};

/** What an action did: for a writer that tells of it. */
export interface Done {
  readonly [detail: string]: string | number;
}

/** An action that does something, compiled. */
export type Effect = (record: RecordBytes, at: number) => Done;

export interface EffectHost {
  readonly settings: Settings;
  readonly output: Output;
  readonly run: Run;
  /** system() and its like may run (-w). */
  readonly destructive: boolean;
  exited(status: number): void;
  /** An action failed: the message without the command's name. */
  failed(text: string): void;
}

/** The text that a format and its arguments make. */
export function compileText(action: ActionDescriptor, settings: Settings): Piece<undefined> {
  return compileFormat<undefined>(parseFormat(byteString(action.format ?? '')), action.data, settings.symbols);
}

function compileSetopt({ data }: ActionDescriptor, enabling: EpidDescriptor, host: EffectHost): Effect {
  const [name, value] = data;
  return (record, at) => {
    const option = name === undefined ? '' : record.string(at + name.offset, name.bytes);
    const given = value !== undefined && resolve(value.type).kind === 'string' ? record.string(at + value.offset, value.bytes) : '1';
    const problem = host.settings.set(option, given);
    // The newline of its own is the original's.
    if (problem !== undefined) host.failed(libraryFaultText(enabling, `couldn't set option "${option}" to "${given}": ${problem}\n`));
    return { option, value: given };
  };
}

/** The effect of an action; undefined for one that has none here. */
export function compileEffect(action: ActionDescriptor, enabling: EpidDescriptor, host: EffectHost): Effect | undefined {
  switch (action.action) {
    case 'exit': {
      const [datum] = action.data;
      return (record, at) => {
        const status = datum === undefined ? 0 : Number(BigInt.asIntN(32, readDatum(record, at, datum)));
        host.exited(status);
        return { status };
      };
    }
    case 'system': {
      const text = compileText(action, host.settings);
      return (record, at) => {
        const command = text(record, at, undefined);
        host.output.flush();
        if (host.destructive) host.run(command);
        return { command };
      };
    }
    case 'freopen': {
      const text = compileText(action, host.settings);
      return (record, at) => {
        const file = text(record, at, undefined);
        // An empty name gives back the first output; so does what came from an empty format.
        if (file === '') host.output.restore();
        else {
          const problem = host.output.reopen(file);
          if (problem !== undefined) host.failed(libraryFaultText(enabling, `couldn't freopen() "${file}": ${problem}`));
        }
        return { file };
      };
    }
    case 'ftruncate':
      return () => {
        host.output.truncate();
        return {};
      };
    case 'setopt':
      return compileSetopt(action, enabling, host);
    default:
      return undefined;
  }
}
