/**
 * `lucid save`: a snapshot of a running VM, which goes on.
 *
 * @module
 */
import { resolve } from 'node:path';
import type { CommandModule } from 'yargs';
import type { SaveAnswer } from '../save-messages.ts';
import type { VmConnection } from '../vm-socket-client.ts';
import { findVm } from './find-vm.ts';
import { checkArguments, UsageError } from './options.ts';

interface SaveArguments {
  vm: string;
  file: string;
  json: boolean;
}

async function save(vm: VmConnection, path: string): Promise<SaveAnswer> {
  const { SAVE_SERVICE } = await import('./save-service.ts');
  return new Promise((done, failed) => {
    vm.open(
      SAVE_SERVICE,
      { path },
      {
        data: (payload) => done(JSON.parse(payload.toString('utf8')) as SaveAnswer),
        closed: (reason) => failed(new UsageError(`${vm.hello.name}: ${reason}`)),
      },
    );
  });
}

export function saveCommand(): CommandModule<object, SaveArguments> {
  return {
    command: 'save <vm> <file>',
    describe: 'write a running VM into a file, to go on with later',
    builder: (yargs) =>
      yargs
        .positional('vm', { type: 'string', demandOption: true, describe: 'process number or name, as lucid ps shows them' })
        .positional('file', { type: 'string', demandOption: true, describe: 'the snapshot; replaced when it is there' })
        .option('json', { type: 'boolean', default: false, describe: 'print what was written as JSON' })
        .example('$0 save vmlinuz ready.snap', 'save the VM of this name, which goes on')
        .example('$0 run --restore ready.snap', 'run on from there')
        .check(({ vm, file, ...parsed }) => checkArguments(parsed), true),
    handler: async ({ vm: given, file, json }) => {
      const vm = await findVm(String(given));
      const answer = await save(vm, resolve(file));
      vm.close();
      if (!answer.ok) throw new UsageError(`${file}: ${answer.reason}`);
      const { bytes, instructions } = answer;
      if (json) process.stdout.write(`${JSON.stringify({ file, bytes, instructions })}\n`);
      else
        process.stderr.write(`lucid: ${vm.hello.name} saved after ${instructions} instructions: ${file}, ${Math.ceil(bytes / 1024)} kB\n`);
    },
  };
}
