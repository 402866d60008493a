/**
 * `lucid run`: boots a kernel and gives it a console.
 *
 * @module
 */
import type { Argv, CommandModule } from 'yargs';
import type { BootKind } from '../boot/index.ts';
import type { RunOptions } from '../worker-messages.ts';
import type { TraceArguments } from './dlite-options.ts';
import { FIRMWARE } from './firmware.ts';
import { type RunArguments, runOptionsOf } from './guest-files.ts';
import { type GuestArguments, guestOptions } from './guest-options.ts';
import { type InlineTrace, runSession, type SessionResult } from './session.ts';
import { exitStatus, outcomeText, summaryLines } from './summary.ts';

const ENTRIES = ['bzimage', 'bzimage32', 'bzimage16', 'pvh', 'multiboot'] as const satisfies readonly BootKind[];

/** Runs a guest and prints what was asked for; the exit status. */
export async function runGuest(
  run: RunOptions,
  args: Pick<GuestArguments, 'exits' | 'json'>,
  traced?: TraceArguments | { readonly script: string },
): Promise<number> {
  const output = args.json ? process.stderr : process.stdout;
  let trace: InlineTrace | undefined;
  let traceText = (): string => '';
  if (traced !== undefined) {
    // Only here: a run that is not traced must not load a compiler.
    const { prepareScript, prepareTrace } = await import('./inline-trace.ts');
    if ('script' in traced) ({ trace, text: traceText } = prepareScript(traced.script));
    else trace = prepareTrace(traced, output);
  }
  const result = await runSession({ run, output, trace });
  if (result.screen !== undefined) output.write(`${result.screen.lines.join('\n').trimEnd()}\n`);
  const shown = args.exits ?? (process.stdout.isTTY === true && !args.json);
  if (result.death !== undefined) process.stderr.write(`\n${result.death}\n`);
  else if (result.outcome.kind !== 'power-off' && !shown) process.stderr.write(`lucid: ${outcomeText(result.outcome)}\n`);
  if (args.json) process.stdout.write(`${JSON.stringify(jsonOf(run, result))}\n`);
  if (shown) process.stderr.write(`\n${summaryLines(run.name, result.outcome, result.report, result.host).join('\n')}\n`);
  if (traceText() !== '') process.stderr.write(`\ntraced with D (images/demo.d; your own with -s FILE or -n PROGRAM):\n\n${traceText()}`);
  return exitStatus(result.outcome);
}

function jsonOf(run: RunOptions, { outcome, report, host, screen }: SessionResult): object {
  return { name: run.name, outcome, exitStatus: exitStatus(outcome), ...report, host, screen };
}

// One line: yargs wraps it.
const TRACE_HELP = `Tracing with D: -n PROGRAM and -s FILE (any number; also -P -m -f -i) enable a program before the first instruction; END
fires when the guest has ended, or after exit() in D, which ends the tracing alone. The VM waits for its trace, in no time of its own, so nothing is
lost and two runs give the same. Output goes where the console goes, or to the end of a file with -o FILE. Also: -x OPTION[=VALUE] -b SIZE -q -F -w -Z
-C -D NAME[=VALUE] -U NAME -I DIR -L DIR, and after -- the arguments of the program, $1 and on. As in dlite; see dlite --help.`.replaceAll(
  '\n',
  ' ',
);

export function runCommand(done: (status: number) => void, trace: TraceArguments | undefined): CommandModule<object, RunArguments> {
  return {
    command: 'run [image]',
    describe: 'boot a disk image or a kernel',
    builder: (yargs) =>
      guestOptions(
        yargs
          .positional('image', { type: 'string', describe: 'the first disk, as with --disk, from which firmware boots' })
          .option('kernel', {
            type: 'string',
            requiresArg: true,
            describe: 'bzImage, or an ELF with a PVH note or a multiboot header',
          })
          .option('bios', {
            type: 'string',
            requiresArg: true,
            describe: `start in this firmware image (a ROM); without a kernel ${FIRMWARE}`,
          })
          .option('restore', {
            type: 'string',
            requiresArg: true,
            describe: 'go on from a snapshot (lucid save), on the machine that is in it',
          })
          .option('initrd', { type: 'string', requiresArg: true, describe: 'initial ramdisk, or the multiboot module' })
          .option('append', { type: 'string', default: '', requiresArg: true, describe: 'the command line of the guest' })
          .option('entry', { choices: ENTRIES, requiresArg: true, describe: 'enter the kernel by this protocol' })
          .group(['kernel', 'initrd', 'append', 'entry', 'bios', 'restore'], 'What is booted:'),
      )
        .example('$0 run --kernel vmlinuz --initrd initrd.img --append console=ttyS0', 'boot Linux with its console here')
        .example('$0 run --kernel test.elf --debug-exit 0xf4 --limit time=10 --exits', 'run a test kernel, count its exits')
        .example('$0 run --kernel vmlinuz --cpus 2 --disk root.img,snapshot', 'two processors, a disk whose image stays as it is')
        .example('$0 run disk.img --cdrom install.iso --boot cdrom', 'boot a CD, with a disk to install on')
        .example('$0 run disk.img,snapshot', 'boot a disk by its own boot loader; the image stays as it is')
        .example('$0 run dos.img --vga text', 'with a screen and a keyboard instead of COM1')
        .example('$0 run --kernel vmlinuz --serial null --json', 'the counts, for a script')
        .example('$0 run --kernel vmlinuz --metrics 9700', 'with its counters at http://127.0.0.1:9700/metrics, for Prometheus')
        .example("$0 run --kernel vmlinuz -n 'kvm-inj-virq { @[arg0] = count(); }'", 'trace with D from the first instruction on')
        .epilogue(TRACE_HELP) as Argv<RunArguments>,
    handler: async (args) => {
      done(await runGuest(await runOptionsOf(args), { exits: args.exits, json: args.json }, trace));
    },
  };
}
