/**
 * A running VM as the user names it.
 *
 * @module
 */
import type { VmConnection } from '../vm-socket-client.ts';
import { UsageError } from './options.ts';

/** The VM of a process number or name. Throws UsageError when there is none, or more than one. */
export async function findVm(given: string): Promise<VmConnection> {
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
