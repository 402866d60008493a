/**
 * `lucid demo`: boots Debian's Linux with its console on the terminal and prints what it did; without apt, a guest of Lucid's own.
 *
 * @module
 */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Argv, CommandModule } from 'yargs';
import type { TraceArguments } from './dlite-options.ts';
import { type GuestArguments, guestOptions } from './guest-options.ts';
import { settingsOf } from './guest-settings.ts';
import { UsageError } from './options.ts';
import { runGuest } from './run.ts';

interface DemoArguments extends GuestArguments {
  builtin: boolean;
  append: string;
}

const BUILTIN = new URL('../../images/builtin/lucid-guest.elf', import.meta.url);

/** What the demo traces, in D. */
const SCRIPT = new URL('../../images/demo.d', import.meta.url);

function say(text: string): void {
  process.stderr.write(`lucid: ${text}\n`);
}

interface Guest {
  readonly name: string;
  readonly kernel: string;
  readonly initrd?: string;
}

function builtinGuest(): Guest {
  const kernel = fileURLToPath(BUILTIN);
  if (!existsSync(kernel)) throw new UsageError(`${kernel} is missing: build it (npm run images)`);
  return { name: 'lucid-guest', kernel };
}

/** The reference guest, or the built-in one with a line that says why; undefined when Linux is required and not to be had. */
async function chooseGuest(builtin: boolean): Promise<Guest | undefined> {
  const required = process.env['LUCID_REQUIRE_LINUX'] === '1';
  if (builtin) return builtinGuest();
  const { obtainLinux } = await import('../../images/linux/fetch.ts');
  const linux = await obtainLinux(say);
  if (linux.ok)
    return { name: `debian-linux-${/\d[\w.-]*/.exec(linux.version)?.[0] ?? 'guest'}`, kernel: linux.vmlinuz, initrd: linux.initramfs };
  if (required) {
    say(`Debian's Linux is required (LUCID_REQUIRE_LINUX=1) and could not be obtained: ${linux.reason}`);
    return undefined;
  }
  say(`Debian's Linux could not be obtained: ${linux.reason}`);
  say('running the built-in guest instead');
  return builtinGuest();
}

/** The D program that runs with the demo, unless it is asked for figures alone. */
function demoScript({ json }: DemoArguments): { readonly script: string } | undefined {
  return json ? undefined : { script: fileURLToPath(SCRIPT) };
}

export function demoCommand(done: (status: number) => void, trace: TraceArguments | undefined): CommandModule<object, DemoArguments> {
  return {
    command: 'demo',
    describe: "boot Debian's Linux, or the built-in guest",
    builder: (yargs) =>
      guestOptions(
        yargs
          .option('builtin', { type: 'boolean', default: false, describe: "run Lucid's own small guest instead" })
          .option('append', { type: 'string', default: 'console=ttyS0', requiresArg: true, describe: 'the command line of the guest' }),
      ).example('$0 demo --builtin', 'no download: timer interrupts, three address spaces, a serial console') as Argv<DemoArguments>,
    handler: async (args) => {
      const guest = await chooseGuest(args.builtin);
      if (guest === undefined) {
        done(1);
        return;
      }
      const settings = settingsOf(args, guest.name);
      // Nobody types at the demo: its idle time is skipped unless asked otherwise, and so it takes as long as it computes.
      const run = {
        ...settings,
        idle: args.idle === 'pace' ? ('pace' as const) : ('skip' as const),
        ...guest,
        name: settings.name,
        append: args.append,
      };
      done(await runGuest(run, { exits: args.exits ?? !args.json, json: args.json }, trace ?? demoScript(args)));
    },
  };
}
