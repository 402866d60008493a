#!/usr/bin/env node
/**
 * `kvmstat`: where the command starts; `kvmstat-command.ts` is the command.
 *
 * @module
 */
import './node-version.ts';
import './compile-cache.ts';

const [{ runStat }, { kvmstat }] = await Promise.all([import('./stat-main.ts'), import('./kvmstat-command.ts')]);
await runStat('kvmstat', 1, kvmstat);
