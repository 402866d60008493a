#!/usr/bin/env node
/**
 * `lucid`: where the command starts. Sets up the cache of compiled modules, then `main.ts` does the rest.
 *
 * Nothing but built-in modules may be imported statically here: the cache holds what is loaded after it is enabled, and it halves the
 * time to the first guest instruction (types need not be stripped again).
 *
 * @module
 */
import module from 'node:module';
import { homedir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import v8 from 'node:v8';

const xdg = process.env['XDG_CACHE_HOME'];
const cache = join(xdg?.startsWith('/') ? xdg : join(homedir(), '.cache'), 'lucid', 'modules');
// Where the folder cannot be written this does nothing. The VM's thread, a Node.js instance of its own, goes by the environment.
module.enableCompileCache(cache);
process.env['NODE_COMPILE_CACHE'] ??= cache;

v8.setFlagsFromString('--max-semi-space-size=1');
const { main } = await import('./main.ts');
const status = await main(process.argv.slice(2));
process.exitCode = status;
// Standard input may still be open; what was written goes out first.
process.stdout.write('', () => process.stderr.write('', () => process.exit(status)));
