/**
 * `lucid resume`, `lucid pause`: lets a VM go on that stop() or breakpoint() of a D program, or `lucid pause`, has made stand still; or makes it.
 *
 * @module
 */
import type { CommandModule } from 'yargs';
import type { ControlAnswer } from '../../probes/session/control.ts';
import type { VmConnection } from '../vm-socket-client.ts';
import { findVm } from './find-vm.ts';
import { checkArguments, UsageError } from './options.ts';

interface VmArguments {
  vm: string;
}

/** Asks a VM; what it was before. */
async function control(vm: VmConnection, action: 'pause' | 'resume'): Promise<ControlAnswer> {
  const { CONTROL_SERVICE } = await import('../../probes/session/control.ts');
  return new Promise((resolve, reject) => {
    vm.open(
      CONTROL_SERVICE,
      { action },
      {
        data: (payload) => resolve(JSON.parse(payload.toString('utf8')) as ControlAnswer),
        closed: (reason) => reject(new UsageError(`${vm.hello.name}: ${reason}`)),
      },
    );
  });
}

function command(action: 'pause' | 'resume', describe: string): CommandModule<object, VmArguments> {
  return {
    command: `${action} <vm>`,
    describe,
    builder: (yargs) =>
      yargs
        .positional('vm', { type: 'string', demandOption: true, describe: 'process number or name, as lucid ps shows them' })
        .check(({ vm, ...parsed }) => checkArguments(parsed), true),
    handler: async ({ vm: given }) => {
      const vm = await findVm(String(given));
      const { paused } = await control(vm, action);
      vm.close();
      const { name, pid } = vm.hello;
      const isPaused = paused !== null;
      if (isPaused === (action === 'pause'))
        process.stderr.write(`lucid: ${name} (pid ${pid}) ${isPaused ? `is paused already, by ${paused}` : 'is not paused'}\n`);
    },
  };
}

export function resumeCommand(): CommandModule<object, VmArguments> {
  return command('resume', 'let a VM go on that stands still');
}

export function pauseCommand(): CommandModule<object, VmArguments> {
  return command('pause', 'make a VM stand still');
}
