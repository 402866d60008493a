/**
 * A YAML file whose every value knows its line: what is wrong with it can be said as `FILE:LINE: what is wrong; what would be right`.
 *
 * @module
 */
import { isAlias, isMap, isScalar, isSeq, LineCounter, type Node, parseDocument } from 'yaml';
import { UsageError } from '../options.ts';

/** The nearest of some words, if it is near. */
export function nearest(word: string, words: readonly string[]): string | undefined {
  let best: string | undefined;
  let least = Math.max(2, Math.floor(word.length / 3)) + 1;
  for (const candidate of words) {
    const distance = editDistance(word.toLowerCase(), candidate.toLowerCase());
    if (distance < least) [best, least] = [candidate, distance];
  }
  return best;
}

/** Levenshtein's. */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++)
      next.push(Math.min((row[j] as number) + 1, (next[j - 1] as number) + 1, (row[j - 1] as number) + (a[i - 1] === b[j - 1] ? 0 : 1)));
    row = next;
  }
  return row[b.length] as number;
}

/** Of a value in a message. */
const SHOWN_MAX = 80;
/** Reading more takes minutes. */
const TEXT_MAX = 1 << 20;

/** What the parser says, in one line. */
function yamlProblem(message: string): string {
  if (message.includes('call stack')) return 'maps and lists are nested too deeply';
  if (message.includes('multiple documents')) return 'a second document begins (---); write one for each file';
  if (message.startsWith('Tabs are not allowed')) return `${message}; write spaces`;
  return message.split('\n')[0] ?? '';
}

/** One line, whatever the file has in its keys and values. */
function shortened(why: string): string {
  return why.replaceAll(/\s+/g, ' ').replaceAll(new RegExp(`'([^']{${SHOWN_MAX}})[^']+'`, 'g'), "'$1...'");
}

export class YamlFile {
  readonly path: string;
  readonly text: string;
  readonly lines = new LineCounter();

  constructor(path: string, text: string) {
    this.path = path;
    this.text = text;
  }

  /** The whole. Throws UsageError. */
  root(): YamlValue {
    if (this.text.length > TEXT_MAX) throw this.wrong(1, `${this.text.length} letters; a file of expectations has at most ${TEXT_MAX}`);
    const document = parseDocument(this.text, { lineCounter: this.lines, prettyErrors: false });
    const [error] = document.errors;
    if (error !== undefined) throw this.wrong(this.lines.linePos(error.pos[0]).line, `not YAML: ${yamlProblem(error.message)}`);
    if (document.contents === null) throw this.wrong(1, 'is empty; it needs guest: and expect:');
    return new YamlValue(this, document.contents as Node, '');
  }

  wrong(line: number, why: string): UsageError {
    return new UsageError(`${this.path}:${line}: ${shortened(why)}`);
  }
}

export class YamlValue {
  readonly file: YamlFile;
  readonly node: Node | null;
  readonly line: number;
  /** Of its key. */
  readonly keyLine: number;
  /** The key that it stands at. */
  readonly key: string;

  constructor(file: YamlFile, node: Node | null, key: string, line?: number) {
    this.file = file;
    this.node = node;
    this.key = key;
    this.line = node?.range == null ? (line ?? 1) : file.lines.linePos(node.range[0]).line;
    this.keyLine = line ?? this.line;
    if (isAlias(node)) throw this.wrong('anchors and aliases are not used here; write the value itself');
  }

  wrong(why: string): UsageError {
    return this.file.wrong(this.line, this.key === '' ? why : `${this.key}: ${why}`);
  }

  get isMap(): boolean {
    return isMap(this.node);
  }

  get isList(): boolean {
    return isSeq(this.node);
  }

  /** Text, number, truth; undefined when it is a map, a list or nothing. */
  get scalar(): string | number | boolean | undefined {
    const value = isScalar(this.node) ? this.node.value : undefined;
    return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? value : undefined;
  }

  /** How it is written: `0x3f8` where YAML reads 1016. */
  get written(): string {
    if (isScalar(this.node) && typeof this.node.value !== 'string' && typeof this.node.source === 'string') return this.node.source;
    return String(this.scalar ?? '');
  }

  /** Where a text begins: that of a block starts in the line after its `|`. */
  get textLine(): number {
    return isScalar(this.node) && /^BLOCK/.test(this.node.type ?? '') ? this.line + 1 : this.line;
  }

  /** Where it ends. */
  get lastLine(): number {
    return this.node?.range == null ? this.line : this.file.lines.linePos(Math.max(this.node.range[0], this.node.range[1] - 1)).line;
  }

  /** The entries of a map with these keys, or with any. Throws UsageError. */
  map(keys: readonly string[] | undefined, write: string): Map<string, YamlValue> {
    if (!isMap(this.node)) throw this.wrong(`not a map; write ${write}`);
    const entries = new Map<string, YamlValue>();
    for (const { key, value } of this.node.items) {
      const name = new YamlValue(this.file, key as Node, this.key, this.line);
      const text = name.written;
      if (name.scalar === undefined) throw name.wrong(`not a key; write ${write}`);
      if (keys !== undefined && !keys.includes(text)) {
        const near = nearest(text, keys);
        throw this.file.wrong(
          name.line,
          `'${text}' is unknown here; ${near === undefined ? `there is ${keys.join(', ')}` : `did you mean ${near}?`}`,
        );
      }
      entries.set(text, new YamlValue(this.file, value as Node | null, text, name.line));
    }
    return entries;
  }

  list(write: string): YamlValue[] {
    if (!isSeq(this.node)) throw this.wrong(`not a list; write ${write}`);
    return this.node.items.map((item) => new YamlValue(this.file, item as Node | null, this.key, this.line));
  }

  text(write: string): string {
    if (this.scalar === undefined || this.written === '') throw this.wrong(`not a text; write ${write}`);
    return this.written;
  }

  oneOf<T extends string>(words: readonly T[]): T {
    const found = words.find((word) => word === this.written);
    if (found === undefined) throw this.wrong(`'${this.written}' is unknown; there is ${words.join(', ')}`);
    return found;
  }
}
