/**
 * The run that words of `lucid run` describe, for those who look at its exits themselves.
 *
 * @module
 */
import type { RunOptions } from '../../worker-messages.ts';
import { UsageError } from '../options.ts';
import { runOptionsFrom } from '../run-words.ts';

/** Its console is kept to itself. Throws UsageError. */
export async function quietRun(words: readonly string[]): Promise<RunOptions> {
  const refused = words.find((word) => /^--(?:no-)?(events|json|exits)(=|$)/.test(word));
  if (refused !== undefined) throw new UsageError(`${refused}: not here; the exits are kept and reported without it`);
  if (words.some((word) => /^--metrics(=|$)/.test(word)))
    throw new UsageError('--metrics: not here; its statistics are in the report, and while it runs kstat shows them');
  const serial = words.some((word) => /^--(serial|console|vga)(=|$)/.test(word)) ? [] : ['--serial=null'];
  const options = await runOptionsFrom([...words, ...serial]);
  return { ...options, attached: false, serial: options.serial === 'stdio' ? 'null' : options.serial };
}
