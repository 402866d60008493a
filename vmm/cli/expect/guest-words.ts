/**
 * The guest of a file of expectations as words of `lucid run`.
 *
 * @module
 */
import { dirname, isAbsolute, join } from 'node:path';
import { costTableNames } from '../../exit-cost/named.ts';
import { nearest, type YamlValue } from './yaml-value.ts';

/** How a value is read: as it is, as a file's name, as one with words behind it, as a switch. */
type Kind = 'word' | 'file' | 'file-words' | 'files' | 'words' | 'switch' | 'file-or-word';

/** Options of `lucid run` that make the guest and how it runs; not those that say what is shown. */
const OPTIONS: Readonly<Record<string, Kind>> = {
  image: 'file-words',
  kernel: 'file',
  initrd: 'file',
  append: 'word',
  bios: 'file',
  restore: 'file',
  entry: 'word',
  memory: 'word',
  cpu: 'word',
  cpus: 'word',
  disk: 'files',
  cdrom: 'files',
  boot: 'word',
  nic: 'words',
  share: 'files',
  virtio: 'word',
  ecam: 'switch',
  hpet: 'switch',
  rng: 'switch',
  console: 'word',
  serial: 'file-or-word',
  vga: 'word',
  'exit-cost': 'file-or-word',
  intercept: 'word',
  'debug-exit': 'word',
  limit: 'word',
  clock: 'word',
  idle: 'word',
  rtc: 'word',
  seed: 'word',
  engine: 'word',
  name: 'word',
};

const NO_FILES: readonly string[] = ['null', 'none', 'default'];

/** A word that an option takes instead of a file; `--exit-cost` has the names of its tables besides. */
function isWord(name: string, text: string): boolean {
  return NO_FILES.includes(text) || (name === 'exit-cost' && costTableNames().includes(text));
}

const write = (name: string): string => `${name}: VALUE, as --${name} of lucid run takes it`;

/** Relative names are relative to the file that has them. */
export function resolved(path: string, name: string): string {
  return isAbsolute(name) ? name : join(dirname(path), name);
}

function fileWords(path: string, text: string): string {
  const placed = resolved(path, text);
  return placed.replace(/(?<!,),(overlay|rom)=(.*?)(?=(?<!,),(?!,)|$)/g, (_, key, file) => `,${key}=${resolved(path, file)}`);
}

/** Options that were given in words: their names. */
export function namesIn(words: readonly string[]): Set<string> {
  const names = words.flatMap((word) => /^--(?:no-)?([a-z-]+)/.exec(word)?.[1] ?? []);
  return new Set(names);
}

/** What was given to an option, the last time. */
export function wordGiven(words: readonly string[], name: string): string | undefined {
  const at = words.findLastIndex((word) => word === `--${name}` || word.startsWith(`--${name}=`));
  return words[at]?.startsWith(`--${name}=`) ? words[at].slice(`--${name}=`.length) : words[at + 1 || words.length];
}

function wordsOf(name: string, kind: Kind, value: YamlValue): string[] {
  const { path } = value.file;
  const option = (text: string): string[] => (name === 'image' ? [text] : [`--${name}=${text}`]);
  const values = value.isList && (kind === 'files' || kind === 'words') ? value.list(write(name)) : [value];
  return values.flatMap((item) => {
    if (kind === 'switch') {
      if (typeof item.scalar !== 'boolean') throw item.wrong(`'${item.written}' is neither true nor false`);
      return [item.scalar ? `--${name}` : `--no-${name}`];
    }
    const text = item.text(write(name));
    switch (kind) {
      case 'file':
        return option(resolved(path, text));
      case 'files':
      case 'file-words':
        return option(fileWords(path, text));
      case 'file-or-word':
        return option(isWord(name, text) ? text : resolved(path, text));
      default:
        return option(text);
    }
  });
}

/** Words for `lucid run`: the file's, but where `given` says otherwise, and then those. */
export function guestWords(guest: YamlValue, given: readonly string[]): string[] {
  const replaced = namesIn(given);
  const words: string[] = [];
  for (const [name, value] of guest.map(undefined, 'kernel: FILE, as options of lucid run')) {
    const kind = Object.hasOwn(OPTIONS, name) ? OPTIONS[name] : undefined;
    if (kind === undefined) {
      const near = nearest(name, Object.keys(OPTIONS));
      throw guest.file.wrong(
        value.keyLine,
        `'${name}' is no option of the guest; ${near === undefined ? `there is ${Object.keys(OPTIONS).join(', ')}` : `did you mean ${near}?`}`,
      );
    }
    const own = wordsOf(name, kind, value);
    if (!replaced.has(name)) words.push(...own);
  }
  return [...words, ...given];
}
