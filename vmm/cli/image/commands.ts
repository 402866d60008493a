/**
 * The commands of `lucid image`, loaded when one of them is asked for: `lucid run` is not to wait for them.
 *
 * @module
 */
import type { Argv } from 'yargs';
import { checkCommand } from './check.ts';
import { cloneCommand } from './clone.ts';
import { convertCommand } from './convert.ts';
import { createCommand } from './create.ts';
import { infoCommand } from './info.ts';
import { receiveCommand } from './receive.ts';
import { sendCommand } from './send.ts';
import { snapshotCommand } from './snapshot.ts';

export function imageCommands<T>(yargs: Argv<T>, done: (status: number) => void): Argv<T> {
  return yargs
    .command(createCommand())
    .command(infoCommand())
    .command(convertCommand())
    .command(checkCommand(done))
    .command(snapshotCommand())
    .command(cloneCommand())
    .command(sendCommand())
    .command(receiveCommand());
}
