/**
 * The VMs that a tracer traces: those of -p, or all that run.
 *
 * @module
 */
import { setTimeout } from 'node:timers/promises';
import { TRACE_SERVICE } from '../../probes/session/messages.ts';
import { TraceError } from '../../probes/session/trace-error.ts';
import { checkRuntimeDirectory, isAlive, RuntimeDirectoryError, type VmSocketPlace, vmSockets } from '../runtime-directory.ts';
import { connectVm, type VmConnection, VmConnectionError } from '../vm-socket-client.ts';

/** How long a VM may take to say who it is: ms. */
const PATIENCE_MS = 2000;
/** Between two looks for the socket of a VM that starts: ms. */
const LOOK_MS = 5;

/** The sockets there are. Throws TraceError when the directory must not be trusted. */
export function vmPlaces(directory: string): VmSocketPlace[] {
  try {
    return checkRuntimeDirectory(directory) ? vmSockets(directory) : [];
  } catch (error) {
    if (error instanceof RuntimeDirectoryError) throw new TraceError(error.message);
    throw error;
  }
}

/** A connection; undefined when the VM has ended. Throws TraceError. */
export async function connectTo(place: VmSocketPlace): Promise<VmConnection | undefined> {
  let connection: VmConnection;
  try {
    connection = await connectVm(place, AbortSignal.timeout(PATIENCE_MS));
  } catch (error) {
    if (!(error instanceof VmConnectionError)) throw error;
    if (error.gone) return undefined;
    throw new TraceError(error.message);
  }
  if (connection.hello.services.includes(TRACE_SERVICE)) return connection;
  connection.close();
  throw new TraceError(`pid ${place.pid}: this VM cannot be traced`);
}

function parsePid(text: string): number {
  if (!/^\s*[+-]?\d+$/.test(text)) throw new TraceError(`invalid pid: ${text}`);
  return Number(text);
}

/** The VMs of certain processes. Throws TraceError when one cannot be had. */
export async function grabVms(pids: readonly string[], directory: string): Promise<VmConnection[]> {
  const grabbed: VmConnection[] = [];
  for (const pid of pids.map(parsePid)) {
    const connections = await Promise.all(
      vmPlaces(directory)
        .filter((place) => place.pid === pid)
        .map(connectTo),
    );
    const living = connections.filter((connection) => connection !== undefined);
    if (living.length === 0) {
      const why = pid > 0 && isAlive(pid) ? 'not a VM of this user' : 'no such process';
      throw new TraceError(`failed to grab pid ${pid}: ${why}`);
    }
    grabbed.push(...living);
  }
  return grabbed;
}

/** Those of the VMs that run and answer. */
export async function connectAll(places: readonly VmSocketPlace[], complain: (text: string) => void): Promise<VmConnection[]> {
  const connections = await Promise.all(
    places.map((place) =>
      connectTo(place).catch((error: unknown) => {
        if (!(error instanceof TraceError)) throw error;
        complain(error.message);
        return undefined;
      }),
    ),
  );
  return connections.filter((connection) => connection !== undefined);
}

/** The VM that a process starts; undefined when the process ends without one. */
export async function startingVm(pid: number, directory: string, isEnded: () => boolean): Promise<VmConnection | undefined> {
  while (!isEnded()) {
    const place = vmPlaces(directory).find((socket) => socket.pid === pid);
    const connection = place === undefined ? undefined : await connectTo(place);
    if (connection !== undefined) return connection;
    await setTimeout(LOOK_MS);
  }
  return undefined;
}
