/**
 * `lucid resume`, `lucid pause`: lets a VM go on that stop() or breakpoint() of a D program, or `lucid pause`, has made stand still; or makes it.
 *
 * @module
 */
import process from 'node:process';
import type { CommandModule } from 'yargs';
import type { ControlAnswer } from '../../probes/session/control.ts';
import type { VmConnection } from '../vm-socket-client.ts';
import { checkArguments, UsageError } from './options.ts';

interface VmArguments {
  vm: string;
}

/** Running VMs by process number, VM number (`vmid`) or name. Throws UsageError when there is none, or more than one. */
async function findVm(given: string): Promise<VmConnection> {
  const [{ RuntimeDirectoryError, runtimeDirectoryPath, checkRuntimeDirectory, vmSockets }, { connectVm, VmConnectionError }] =
    await Promise.all([import('../runtime-directory.ts'), import('../vm-socket-client.ts')]);
  const found: VmConnection[] = [];
  try {
    const directory = runtimeDirectoryPath();
    for (const place of checkRuntimeDirectory(directory) ? vmSockets(directory) : []) {
      try {
        const connection = await connectVm(place, AbortSignal.timeout(2000));
        const { pid, name } = connection.hello;
        if (given === String(pid) || given === name) found.push(connection);
        else connection.close();
      } catch (error) {
        // One that does not answer cannot be asked for anything either.
        if (!(error instanceof VmConnectionError)) throw error;
      }
    }
  } catch (error) {
    if (error instanceof RuntimeDirectoryError) throw new UsageError(error.message);
    throw error;
  }
  const [vm] = found;
  if (vm !== undefined && found.length === 1) return vm;
  for (const connection of found) connection.close();
  if (vm === undefined) throw new UsageError(`${given}: no running VM has this process number or name; lucid ps lists them`);
  throw new UsageError(`${given}: ${found.length} VMs have this name; give the process number, see lucid ps`);
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
