/**
 * `lucid ps`: the running VMs of this user.
 *
 * @module
 */
import { setTimeout } from 'node:timers/promises';
import type { CommandModule } from 'yargs';
import type { VmReading } from './kstat-chain.ts';
import { checkArguments } from './options.ts';
import { POWER_SERVICE, type VmState } from './power-service.ts';
import { power } from './stop.ts';

const PATIENCE_MS = 2000;

interface PsArguments {
  json: boolean;
}

/** One running VM. */
interface PsRow {
  readonly pid: number;
  readonly vmid: number;
  readonly name: string;
  readonly vcpus: number;
  readonly state: VmState | 'unknown';
  /** Retired, of all vCPUs. */
  readonly instructions: number;
  /** The VM's clock. */
  readonly clockNs: number;
}

/** What a VM does now; unknown of one that does not say within the patience. */
async function stateOf({ vm, connection }: VmReading): Promise<PsRow['state']> {
  if (!vm.services.includes(POWER_SERVICE)) return 'unknown';
  const late = setTimeout(PATIENCE_MS, 'unknown' as const, { ref: false });
  return Promise.race([
    power(connection, 'state').then(
      ({ state }) => state,
      () => 'unknown' as const,
    ),
    late,
  ]);
}

async function rowOf(reading: VmReading): Promise<PsRow> {
  const { vm, kstats } = reading;

  let instructions = 0n;
  let clockNs = 0n;
  for (const { values, snaptime } of kstats) {
    const counted = values.find(([name]) => name === 'instructions')?.[1];
    if (typeof counted === 'bigint') instructions += counted;
    if (snaptime > clockNs) clockNs = snaptime;
  }
  const { pid, vmid, name, vcpus } = vm;
  const state = await stateOf(reading);
  return { pid, vmid, name, vcpus, state, instructions: Number(instructions), clockNs: Number(clockNs) };
}

/** The table, with a header even when no VM runs. */
export function psTable(rows: readonly PsRow[]): string {
  const line = (pid: string, vmid: string, vcpus: string, state: string, instructions: string, clock: string, name: string): string =>
    `${pid.padStart(7)} ${vmid.padStart(5)} ${vcpus.padStart(5)} ${state.padEnd(7)} ${instructions.padStart(16)} ${clock.padStart(14)} ${name}\n`;
  const lines = rows.map((r) =>
    line(String(r.pid), String(r.vmid), String(r.vcpus), r.state, String(r.instructions), `${(r.clockNs / 1e9).toFixed(3)} s`, r.name),
  );
  return line('PID', 'VMID', 'VCPUS', 'STATE', 'INSTRUCTIONS', 'CLOCK', 'NAME') + lines.join('');
}

export function psCommand(done: (status: number) => void): CommandModule<object, PsArguments> {
  return {
    command: 'ps',
    describe: 'list the running VMs of this user',
    builder: (yargs) =>
      yargs
        .option('json', { type: 'boolean', default: false, describe: 'one JSON array' })
        .check(checkArguments, true)
        .example('$0 ps', 'process, number, name, instructions and clock of each'),
    handler: async ({ json }) => {
      // Only here: `lucid run` must not load what it does not need.
      const [{ KstatChain }, { RuntimeDirectoryError, runtimeDirectoryPath }] = await Promise.all([
        import('./kstat-chain.ts'),
        import('../runtime-directory.ts'),
      ]);
      const complain = (text: string): void => {
        process.stderr.write(`lucid: ${text}\n`);
      };
      try {
        const chain = new KstatChain({ directory: runtimeDirectoryPath(), patienceMs: PATIENCE_MS, complain });
        await chain.update();
        const rows = await Promise.all((await chain.read(({ module }) => module === 'engine')).map(rowOf));
        chain.close();
        process.stdout.write(json ? `${JSON.stringify(rows)}\n` : psTable(rows));
      } catch (error) {
        if (!(error instanceof RuntimeDirectoryError)) throw error;
        complain(error.message);
        done(2);
      }
    },
  };
}
