/**
 * Modules that are loaded when they are first used: what a guest does not have must not cost it time before its first instruction.
 *
 * Loading is synchronous (`require` of an ES module), so a board can be made without yielding.
 *
 * @module
 */
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

const load = createRequire(import.meta.url);

/** `late<typeof import('./part.ts')>(new URL('./part.ts', import.meta.url))()` is the module. */
export function late<M>(url: URL): () => M {
  let loaded: M | undefined;
  return () => {
    loaded ??= load(fileURLToPath(url)) as M;
    return loaded;
  };
}
