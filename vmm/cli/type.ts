/**
 * `lucid type`: keys for a running VM's keyboard, as text or by name.
 *
 * @module
 */
import type { CommandModule } from 'yargs';
import { findVm } from './find-vm.ts';
import { codesOf, KEY_NAMES, type KeyStroke, strokeByName, strokeOf } from './key-codes.ts';
import { checkArguments, UsageError } from './options.ts';

interface TypeArguments {
  vm: string;
  text?: string;
  key?: string;
}

const ESCAPES: Readonly<Record<string, string>> = { r: '\r', n: '\n', t: '\t', b: '\b', e: '\x1b', '\\': '\\' };

/** The strokes of a text in which \r, \n, \t, \b, \e and \\ stand for the keys. */
export function strokesOfText(text: string): KeyStroke[] {
  const characters = text.replaceAll(/\\(.)/gs, (whole, letter: string) => {
    const meant = ESCAPES[letter];
    if (meant === undefined) throw new UsageError(`text: ${whole} is unknown; there is \\r \\n \\t \\b \\e and \\\\`);
    return meant;
  });
  return [...characters].map((character) => {
    const stroke = strokeOf(character);
    if (stroke === undefined) throw new UsageError(`text: '${character}' is on no key of a US keyboard`);
    return stroke;
  });
}

/** The strokes of `f1,down,ctrl-alt-delete`. */
export function strokesOfNames(names: string): KeyStroke[] {
  return names.split(',').map((name) => {
    const stroke = strokeByName(name.trim());
    if (stroke === undefined)
      throw new UsageError(`--key ${name}: unknown; there are the characters and ${KEY_NAMES.join(' ')}, joined as ctrl-alt-delete`);
    return stroke;
  });
}

export function typeCommand(): CommandModule<object, TypeArguments> {
  return {
    command: 'type <vm> [text]',
    describe: "type on a running VM's keyboard",
    builder: (yargs) =>
      yargs
        .positional('vm', { type: 'string', demandOption: true, describe: 'process number or name, as lucid ps shows them' })
        .positional('text', { type: 'string', describe: 'what to type; \\r is Enter, also \\n \\t \\b \\e' })
        .option('key', { type: 'string', requiresArg: true, describe: 'keys by name, after the text: enter, f1,down, ctrl-alt-delete' })
        .example("$0 type disk 'dir\\r'", 'dir and Enter')
        .example('$0 type disk --key ctrl-alt-delete', 'restart a PC')
        .check(({ vm, text, ...parsed }) => checkArguments(parsed), true),
    handler: async ({ vm: given, text, key }) => {
      const typed = text === undefined ? [] : strokesOfText(String(text));
      const strokes = [...typed, ...(key === undefined ? [] : strokesOfNames(key))];
      if (strokes.length === 0) throw new UsageError('nothing to type: give a text or --key NAME');
      const { KEYBOARD_SERVICE } = await import('./keyboard-service.ts');
      const vm = await findVm(String(given));
      await new Promise<void>((taken, failed) => {
        vm.open(
          KEYBOARD_SERVICE,
          { keys: strokes.flatMap(codesOf) },
          { data: () => taken(), closed: (reason) => failed(new UsageError(`${vm.hello.name}: ${reason || 'ended'}`)) },
        );
      });
      vm.close();
    },
  };
}
