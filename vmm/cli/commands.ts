/**
 * The commands of `lucid`, each loaded when it is asked for: starting a guest must not wait for the others.
 *
 * @module
 */
import type { CommandModule } from 'yargs';
import type { TraceArguments } from './dlite-options.ts';

/** What a command may use. */
export interface CommandContext {
  /** Sets the exit status. */
  readonly done: (status: number) => void;
  /** The D programs of the command line. */
  readonly trace: TraceArguments | undefined;
}

// Each has arguments of its own, which only itself knows.
// biome-ignore lint/suspicious/noExplicitAny: yargs has no type for a list of different commands
type Command = CommandModule<object, any>;

/** In the order of the help text. */
const COMMANDS: Readonly<Record<string, (context: CommandContext) => Promise<Command>>> = {
  run: async ({ done, trace }) => (await import('./run.ts')).runCommand(done, trace),
  demo: async ({ done, trace }) => (await import('./demo.ts')).demoCommand(done, trace),
  ps: async ({ done }) => (await import('./ps.ts')).psCommand(done),
  pause: async () => (await import('./resume.ts')).pauseCommand(),
  resume: async () => (await import('./resume.ts')).resumeCommand(),
  save: async () => (await import('./save.ts')).saveCommand(),
  stop: async () => (await import('./stop.ts')).stopCommand(),
  reset: async () => (await import('./stop.ts')).resetCommand(),
  screen: async ({ done }) => (await import('./screen.ts')).screenCommand(done),
  type: async () => (await import('./type.ts')).typeCommand(),
  image: async ({ done }) => (await import('./image/image.ts')).imageCommand(done),
  expect: async ({ done }) => (await import('./expect/expect.ts')).expectCommand(done),
  exits: async ({ done }) => (await import('./exits.ts')).exitsCommand(done),
  diff: async ({ done }) => (await import('./diff.ts')).diffCommand(done),
  events: async () => (await import('./events.ts')).eventsCommand(),
  'measure-exit-cost': async () => (await import('./measure-exit-cost.ts')).measureExitCostCommand(),
};

/** The one that is named, or all, for help and for what is misspelt. */
export function loadCommands(name: string | undefined, context: CommandContext): Promise<Command[]> {
  const loaders = name !== undefined && Object.hasOwn(COMMANDS, name) ? [COMMANDS[name]] : Object.values(COMMANDS);
  return Promise.all(loaders.flatMap((load) => (load === undefined ? [] : [load(context)])));
}
