/**
 * `lucid stop`, `lucid reset`: a VM's power button and reset line; `stop --force` pulls the plug.
 *
 * @module
 */
import type { CommandModule } from 'yargs';
import type { VmConnection } from '../vm-socket-client.ts';
import { findVm } from './find-vm.ts';
import { checkArguments, UsageError } from './options.ts';
import type { PowerAction, PowerReply } from './power-service.ts';

interface VmArguments {
  vm: string;
}

interface StopArguments extends VmArguments {
  force: boolean;
}

/** Asks a VM of its power; it may end meanwhile. Throws UsageError when it has no such service. */
export async function power(vm: VmConnection, action: PowerAction): Promise<PowerReply> {
  const { POWER_SERVICE } = await import('./power-service.ts');
  return new Promise((resolve, reject) => {
    vm.open(
      POWER_SERVICE,
      { action },
      {
        data: (payload) => resolve(JSON.parse(payload.toString('utf8')) as PowerReply),
        closed: (reason) => reject(new UsageError(`${vm.hello.name}: ${reason}`)),
      },
    );
  });
}

function say({ hello: { name, pid } }: VmConnection, text: string): void {
  process.stderr.write(`lucid: ${name} (pid ${pid}) ${text}\n`);
}

const WHICH = { type: 'string', demandOption: true, describe: 'process number or name, as lucid ps shows them' } as const;

export function stopCommand(): CommandModule<object, StopArguments> {
  return {
    command: 'stop <vm>',
    describe: 'press the power button of a VM, whose guest then shuts down; or end it at once',
    builder: (yargs) =>
      yargs
        .positional('vm', WHICH)
        .option('force', { type: 'boolean', default: false, describe: 'end it at once, whatever its guest does (exit status 143)' })
        .example('$0 stop debian', 'ask the guest to shut down')
        .check(({ vm, ...parsed }) => checkArguments(parsed), true),
    handler: async ({ vm: given, force }) => {
      const vm = await findVm(String(given));
      const { heard, state } = await power(vm, force ? 'off' : 'button');
      if (force) await vm.ended;
      vm.close();
      if (!heard) throw new UsageError(`${given}: its guest does not listen to the power button (yet); stop --force ends it`);
      if (!force && state === 'paused') say(vm, 'is paused; its guest hears of it when it goes on');
    },
  };
}

export function resetCommand(): CommandModule<object, VmArguments> {
  return {
    command: 'reset <vm>',
    describe: 'reset a VM, as its reset button would',
    builder: (yargs) => yargs.positional('vm', WHICH).check(({ vm, ...parsed }) => checkArguments(parsed), true),
    handler: async ({ vm: given }) => {
      const vm = await findVm(String(given));
      const { state } = await power(vm, 'reset');
      vm.close();
      if (state === 'paused') say(vm, 'is paused; it is reset when it goes on');
    },
  };
}
