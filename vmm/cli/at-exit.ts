/**
 * What is to be done when the process ends: one listener for all, however many VMs there are.
 *
 * @module
 */

const all = new Set<() => void>();

function run(): void {
  for (const act of [...all]) act();
}

/** Adds something; the function returned takes it back. */
export function atExit(act: () => void): () => void {
  if (all.size === 0) process.on('exit', run);
  all.add(act);
  return () => {
    if (all.delete(act) && all.size === 0) process.off('exit', run);
  };
}
