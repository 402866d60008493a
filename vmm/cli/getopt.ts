/**
 * getopt(3C) of illumos: single letters that combine, values joined or apart, long names in parentheses, and nothing after the first operand.
 *
 * For the commands whose syntax is illumos' (`kstat`, `kvmstat`): yargs has no way to say that options end at the first operand, that `-lpT d` is
 * three of them, or that `-1` is no number, and takes longer to load than a `kstat` takes to answer.
 *
 * @module
 */

/** A bad command line; the message is the original's, without the command's name. */
export class GetoptError extends Error {
  override readonly name = 'GetoptError';
}

export interface Getopt {
  /** Letters with their values ('' for those that take none), in order. */
  readonly options: readonly (readonly [letter: string, value: string])[];
  readonly operands: readonly string[];
}

interface Known {
  readonly letter: string;
  readonly valued: boolean;
}

/** `ab:c(long)d:(other)`: letters; a colon for those with a value; other names. */
function known(spec: string): Map<string, Known> {
  const byName = new Map<string, Known>();
  for (const [, letter, colon, long] of spec.matchAll(/([^:()])(:?)(?:\(([^)]*)\))?/g)) {
    const option = { letter: letter as string, valued: colon === ':' };
    byName.set(`-${letter}`, option);
    if (long !== undefined) byName.set(`--${long}`, option);
  }
  return byName;
}

/** Reads a command line. Throws GetoptError. */
export function getopt(args: readonly string[], spec: string): Getopt {
  const byName = known(spec);
  const options: [string, string][] = [];
  let at = 0;
  for (; at < args.length; at++) {
    const arg = args[at] as string;
    if (!arg.startsWith('-') || arg === '-') break;
    if (arg === '--') {
      at++;
      break;
    }
    if (arg.startsWith('--')) {
      const [name, ...rest] = arg.split('=');
      const option = byName.get(name as string);
      if (option === undefined) throw new GetoptError(`illegal option -- ${arg.slice(2)}`);
      if (!option.valued && rest.length > 0) throw new GetoptError(`option doesn't take an argument -- ${name?.slice(2)}`);
      const value = option.valued && rest.length === 0 ? args[++at] : rest.join('=');
      if (value === undefined) throw new GetoptError(`option requires an argument -- ${name?.slice(2)}`);
      options.push([option.letter, value]);
      continue;
    }
    for (let i = 1; i < arg.length; i++) {
      const letter = arg[i] as string;
      const option = byName.get(`-${letter}`);
      if (option === undefined) throw new GetoptError(`illegal option -- ${letter}`);
      if (!option.valued) {
        options.push([letter, '']);
        continue;
      }
      const value = i + 1 < arg.length ? arg.slice(i + 1) : args[++at];
      if (value === undefined) throw new GetoptError(`option requires an argument -- ${letter}`);
      options.push([letter, value]);
      break;
    }
  }
  return { options, operands: args.slice(at) };
}
