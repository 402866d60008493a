/**
 * `--share`: a directory of the host for the guest to mount.
 *
 * @module
 */
import type { ShareOptions } from '../shares.ts';
import { commaWords, UsageError } from './options.ts';

/** Of a tag: what fits the device, a shell and a mount table. */
const TAG = /^[A-Za-z0-9_.-]{1,255}$/;

/** `DIR[,tag=TAG][,rw]`, any number of times. A comma that belongs to the directory's name is written twice. Throws UsageError. */
export function parseShares(texts: readonly string[]): ShareOptions[] {
  const shares = texts.map(parseShare);
  const twice = shares.find(({ tag }, i) => shares.some((other, k) => k < i && other.tag === tag));
  if (twice !== undefined) throw new UsageError(`--share: two have the tag '${twice.tag}'; give each its own`);
  return shares;
}

function parseShare(text: string, index: number): ShareOptions {
  const [path = '', ...words] = commaWords(text);
  if (path === '') throw new UsageError(`--share '${text}': which directory? write DIR, DIR,tag=NAME or DIR,rw`);
  let tag = index === 0 ? 'share' : `share${index}`;
  let writable = false;
  for (const word of words) {
    if (word === 'rw') writable = true;
    else if (word.startsWith('tag=')) tag = word.slice(4);
    else if (word !== 'ro') throw new UsageError(`--share ${text}: '${word}' is unknown; there is tag=NAME, ro, rw`);
  }
  if (!TAG.test(tag)) throw new UsageError(`--share ${text}: '${tag}' is not a tag; write letters, digits, _ . and -`);
  return { path, tag, writable };
}
