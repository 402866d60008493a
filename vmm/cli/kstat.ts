#!/usr/bin/env node
/**
 * `kstat`: where the command starts; `kstat-command.ts` is the command.
 *
 * @module
 */
import './node-version.ts';
import './compile-cache.ts';

const [{ runStat }, { kstat }] = await Promise.all([import('./stat-main.ts'), import('./kstat-command.ts')]);
await runStat('kstat', 3, kstat);
