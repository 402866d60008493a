/**
 * yargs without what makes it slow to start: the packages that lay out its help know the width of every script's characters, and their tables cost as much
 * as all the rest of a short command. Our help is ASCII; small files of ours stand in for them, and for modules of Node of which it uses little.
 *
 * @module
 */
import { registerHooks } from 'node:module';

const NODE = new URL('./yargs-node.ts', import.meta.url).href;
const OURS: Readonly<Record<string, string>> = {
  cliui: new URL('./help-layout.ts', import.meta.url).href,
  'string-width': new URL('./text-width.ts', import.meta.url).href,
  util: NODE,
  assert: NODE,
};

/** What is internal to yargs, of which its types know nothing. */
interface Internal {
  getInternalMethods(): { getUsageInstance(): { cacheHelpMessage(): void } };
}

type Yargs = typeof import('yargs')['default'];

async function load(): Promise<Yargs> {
  const hooks = registerHooks({
    resolve(specifier, context, next) {
      const url = OURS[specifier];
      return url === undefined ? next(specifier, context) : { url, shortCircuit: true };
    },
  });
  try {
    return (await import('yargs')).default;
  } finally {
    hooks.deregister();
  }
}

let loaded: Promise<Yargs> | undefined;

/** A parser of these arguments. */
export async function parserOf(args: readonly string[]): Promise<ReturnType<Yargs>> {
  loaded ??= load();
  const parser = (await loaded)([...args]);
  // It would lay out the help of every command that it runs, in case the command should ask for it while it works. None does.
  (parser as unknown as Internal).getInternalMethods().getUsageInstance().cacheHelpMessage = () => {};
  return parser;
}
