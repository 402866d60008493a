/**
 * The cache of compiled modules: types need not be stripped again at the next start, which is half of a short command's time.
 *
 * It holds what is loaded after it is enabled: a command's first file imports this one statically, and everything else by `import()`.
 *
 * @module
 */
import module from 'node:module';
import { homedir } from 'node:os';
import { join } from 'node:path';

const xdg = process.env['XDG_CACHE_HOME'];
const cache = join(xdg?.startsWith('/') ? xdg : join(homedir(), '.cache'), 'lucid', 'modules');
// Where the folder cannot be written this does nothing.
module.enableCompileCache(cache);
// Threads, Node.js instances of their own, go by the environment.
process.env['NODE_COMPILE_CACHE'] ??= cache;
