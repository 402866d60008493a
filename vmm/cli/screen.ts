/**
 * `lucid screen`: what a running VM shows on its VGA, as text; waits for a text when asked to.
 *
 * @module
 */
import { setTimeout } from 'node:timers/promises';
import type { CommandModule } from 'yargs';
import { findVm } from './find-vm.ts';
import { checkArguments, parseDuration, UsageError } from './options.ts';
import type { ScreenAnswer } from './screen-session.ts';
import type { VmConnection } from '../vm-socket-client.ts';

interface ScreenArguments {
  vm: string;
  wait?: string;
  timeout: string;
  json: boolean;
}

const AGAIN_MS = 50;
/** The text did not come. */
const NOT_SEEN = 1;

/** A reader of the VM's screen. */
async function screenOf(vm: VmConnection): Promise<() => Promise<ScreenAnswer>> {
  const { SCREEN_SERVICE } = await import('./screen-session.ts');
  let answered: (answer: ScreenAnswer) => void = () => {};
  let failed: (error: Error) => void = () => {};
  const channel = vm.open(SCREEN_SERVICE, null, {
    data: (payload) => answered(JSON.parse(payload.toString('utf8')) as ScreenAnswer),
    closed: (reason) => failed(new UsageError(`${vm.hello.name}: ${reason || 'ended'}`)),
  });
  return () =>
    new Promise((done, reject) => {
      answered = done;
      failed = reject;
      channel.send('null');
    });
}

export function screenCommand(done: (status: number) => void): CommandModule<object, ScreenArguments> {
  return {
    command: 'screen <vm>',
    describe: 'print what a running VM shows on its VGA (--vga text)',
    builder: (yargs) =>
      yargs
        .positional('vm', { type: 'string', demandOption: true, describe: 'process number or name, as lucid ps shows them' })
        .option('wait', { type: 'string', requiresArg: true, describe: 'first wait until this text is on the screen' })
        .option('timeout', { type: 'string', default: '60', requiresArg: true, describe: 'of waiting: seconds, or 500ms, 5m' })
        .option('json', { type: 'boolean', default: false, describe: 'lines, size and cursor as JSON' })
        .example("$0 screen disk --wait 'A:\\>'", 'wait for a prompt, print the screen')
        .epilogue('Exit status: 0; 1 when the text did not come in time, with the screen as it is.')
        .check(({ vm, ...parsed }) => checkArguments(parsed), true),
    handler: async ({ vm: given, wait, timeout, json }) => {
      const until = performance.now() + parseDuration('--timeout', timeout) / 1e6;
      const vm = await findVm(String(given));
      if (!vm.hello.services.includes('screen')) {
        vm.close();
        throw new UsageError(`${given}: has no screen; lucid run gives it one with --vga text`);
      }
      const read = await screenOf(vm);
      const seen = ({ lines }: ScreenAnswer): boolean => wait === undefined || lines.some((line) => line.includes(wait));
      let screen = await read();
      while (!seen(screen) && performance.now() < until) {
        await setTimeout(AGAIN_MS);
        screen = await read();
      }
      vm.close();
      if (!seen(screen)) {
        process.stderr.write(`lucid: '${wait}' did not come onto the screen\n`);
        done(NOT_SEEN);
      }
      process.stdout.write(json ? `${JSON.stringify(screen)}\n` : `${screen.lines.join('\n').trimEnd()}\n`);
    },
  };
}
