/**
 * Threads for VMs, one of them before anybody knows whether it will be needed: it starts, and the CPU core is compiled, while the command line's own
 * modules are being loaded. So this file imports little.
 *
 * @module
 */
import { Worker } from 'node:worker_threads';
import { compileCore } from '../cpu/core.ts';

let prepared: Worker | undefined;

/** A VM will be started, as far as can be told without reading the command line. */
export function startsGuest(args: readonly string[]): boolean {
  const [command] = args;
  if (args.some((arg) => arg === '--help' || arg === '-h' || arg === '--version')) return false;
  return (
    command === 'demo' || (command === 'exits' && args.includes('--')) || ((command === 'run' || command === 'expect') && args.length > 1)
  );
}

/** Starts a thread and the core's compilation. */
export function prepareThread(): void {
  compileCore().catch(() => {
    // `runSession` waits for the same promise and reports.
  });
  prepared = startThread();
}

/** The prepared thread, or a new one. */
export function takeThread(): Worker {
  const worker = prepared ?? startThread();
  prepared = undefined;
  worker.ref();
  return worker;
}

/** Ends what `prepareThread` started, if nobody took it. */
export async function abandonThread(): Promise<void> {
  const worker = prepared;
  prepared = undefined;
  await worker?.terminate();
}

function startThread(): Worker {
  // Small, for a VM makes no garbage worth mentioning, but large enough for what loading modules makes.
  const worker = new Worker(new URL('../worker.ts', import.meta.url), { resourceLimits: { maxYoungGenerationSizeMb: 6 } });
  // Until it is taken, it must not keep the process alive.
  worker.unref();
  return worker;
}
