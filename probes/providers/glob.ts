/**
 * Matching of probe descriptions: `*`, `?`, `[abc]`, `[a-z]`, `[!x]`, and `\` before a character that means itself.
 *
 * Models gmatch(3GEN) as DTrace uses it. A set that is not closed matches nothing; a `-` first or last in a set is itself.
 *
 * @module
 */

/** `text` fits `glob`. Text that has no meaning in a glob fits itself alone. */
export function globMatches(glob: string, text: string): boolean {
  return matches(glob, 0, text, 0);
}

function matches(glob: string, from: number, text: string, at: number): boolean {
  let g = from;
  let t = at;
  // Where to go on when it fails after the last `*`: that swallows one character more. An earlier one need not be asked again.
  let star = -1;
  let swallowed = 0;
  while (t < text.length || g < glob.length) {
    if (glob[g] === '*') {
      star = g++;
      swallowed = t;
      continue;
    }
    const next = t < text.length ? one(glob, g, text[t] as string) : -1;
    if (next >= 0) {
      g = next;
      t++;
    } else if (star >= 0 && swallowed < text.length) {
      g = star + 1;
      t = ++swallowed;
    } else return false;
  }
  return true;
}

/** Index after the part of the glob that takes the character `c`; -1 when it does not. */
function one(glob: string, g: number, c: string): number {
  if (g >= glob.length) return -1;
  switch (glob[g]) {
    case '?':
      return g + 1;
    case '[':
      return set(glob, g + 1, c);
    case '\\':
      return g + 1 < glob.length && glob[g + 1] === c ? g + 2 : -1;
    default:
      return glob[g] === c ? g + 1 : -1;
  }
}

function set(glob: string, from: number, c: string): number {
  const not = glob[from] === '!';
  const first = not ? from + 1 : from;
  let found = false;
  for (let i = first; i < glob.length; i++) {
    if (glob[i] === ']' && i > first) return found !== not ? i + 1 : -1;
    if (glob[i] === '\\' && i + 1 < glob.length) i++;
    const low = glob[i] as string;
    if (glob[i + 1] === '-' && i + 2 < glob.length && glob[i + 2] !== ']') {
      const high = glob[i + 2] as string;
      i += 2;
      if (low <= c && c <= high) found = true;
    } else if (low === c) found = true;
  }
  return -1;
}
