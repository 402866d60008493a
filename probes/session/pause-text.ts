/**
 * What the user reads when a VM stands still: stop() or breakpoint() of a program, or a pause that somebody asked for.
 *
 * @module
 */
import { ASK } from '../arena.ts';
import type { Pause } from './vm-host.ts';

/** Lines without a newline at the end. */
export function pauseText({ what, state }: Pause, { name, pid }: { readonly name: string; readonly pid: number }): string {
  const by = what & ASK.MONITOR ? 'breakpoint()' : what & ASK.PAUSE ? 'stop()' : 'request';
  const lines = [`${name} (pid ${pid}) is paused by ${by}; 'lucid resume ${pid}' lets it go on`];
  if (what & ASK.MONITOR) lines.push(state);
  return lines.join('\n');
}
