/**
 * Control lines of D: `#pragma D ...`, `#line`, `#error`, `#ident`.
 *
 * By the Dynamic Tracing Guide, "Scripting", "Stability" and "Program Structure". A `#pragma` that is not D's is ignored, as C has it; `#pragma D` that is
 * not known is an error. Attributes and bindings of the program's own names are checked and have no other effect: nothing here asks for them.
 *
 * @module
 */
import { OptionError, type OptionValues, setOptionText } from '../options.ts';
import { CLASSES, STABILITIES } from '../providers/attributes.ts';
import type { Environment } from './environment.ts';
import type { Raise } from './error.ts';
import type { ControlWord, Lexer } from './lexer.ts';
import type { Names } from './names.ts';

/** Where control lines take effect. */
export interface PragmaTarget {
  readonly names: Names;
  readonly environment: Environment;
  /** Options in effect; `#pragma D option` changes them. */
  readonly options: OptionValues;
  /** Options as they were set, in order. */
  readonly set: (readonly [name: string, value: string | undefined])[];
  /** Names of the libraries that are loaded. */
  readonly libraries: ReadonlySet<string>;
}

/** A `#pragma D attributes` or `binding` for a name that has to be declared after it. */
export interface PendingPragma {
  readonly keyword: string;
  readonly name: string;
  readonly line: number;
}

const PROVIDER_PARTS: ReadonlySet<string> = new Set(['provider', 'module', 'function', 'name', 'args']);

export class Pragmas {
  readonly pending: PendingPragma[] = [];
  readonly #target: PragmaTarget;

  constructor(target: PragmaTarget) {
    this.#target = target;
  }

  /** Takes one control line. */
  control(words: readonly ControlWord[], line: number, lexer: Lexer): void {
    const raise: Raise = (tag, text, at = line) => lexer.raise(tag, text, at);
    const [first, ...rest] = words;
    if (first === undefined) return;
    if (first.quoted) raise('D_PRAGCTL_INVAL', `invalid control directive: "${first.text}"`);
    if (/^[0-9]+$/.test(first.text)) {
      this.#line(words, lexer, raise);
      return;
    }
    switch (first.text) {
      case 'line':
        this.#line(rest, lexer, raise);
        return;
      case 'error':
        raise('D_PRAGERR', `#error: ${rest.map(({ text }) => text).join(' ')}`);
        break;
      case 'ident':
        if (rest.length !== 1 || rest[0]?.quoted !== true) raise('D_PRAGMA_MALFORM', 'malformed #ident "string"');
        return;
      case 'pragma':
        if (rest[0]?.text === 'D' && !rest[0].quoted) this.#pragma(rest.slice(1), line, raise);
        return;
      default:
        raise('D_PRAGCTL_INVAL', `invalid control directive: #${first.text}`);
    }
  }

  /** `# 12 "file" flags`: the flags are the preprocessor's own. */
  #line(words: readonly ControlWord[], lexer: Lexer, raise: Raise): void {
    const [number, file] = words;
    if (number === undefined || !/^[0-9]+$/.test(number.text) || (file !== undefined && !file.quoted)) {
      raise('D_PRAGMA_MALFORM', 'malformed #line directive');
    }
    lexer.setLine(Number(number.text), file === undefined || file.text === '' ? undefined : file.text);
  }

  #pragma(words: readonly ControlWord[], line: number, raise: Raise): void {
    const [keyword, ...rest] = words;
    switch (keyword?.text) {
      case undefined:
        raise('D_PRAGMA_MALFORM', 'malformed #pragma D <keyword>');
        break;
      case 'option':
        this.#option(rest, raise);
        break;
      case 'depends_on':
        this.#dependsOn(rest, raise);
        break;
      case 'attributes':
        this.#attributes(rest, line, raise);
        break;
      case 'binding':
        this.#binding(rest, line, raise);
        break;
      default:
        raise('D_PRAGMA_INVAL', `invalid D pragma: ${keyword?.text}`);
    }
  }

  #option(words: readonly ControlWord[], raise: Raise): void {
    const [option, extra] = words;
    if (option === undefined) raise('D_PRAGMA_MALFORM', 'malformed #pragma option <option>=<val>');
    if (extra !== undefined) raise('D_PRAGMA_MALFORM', 'superfluous arguments specified for #pragma option');
    const cut = option.text.indexOf('=');
    const name = cut < 0 ? option.text : option.text.slice(0, cut);
    const value = cut < 0 ? undefined : option.text.slice(cut + 1);
    try {
      setOptionText(this.#target.options, option.text, 'program');
    } catch (error) {
      if (!(error instanceof OptionError)) throw error;
      const to = value === undefined ? '' : ` to '${value}'`;
      raise('D_PRAGMA_OPTSET', `failed to set option '${name}'${to}: ${error.message}`);
    }
    this.#target.set.push([name, value]);
  }

  #dependsOn(words: readonly ControlWord[], raise: Raise): void {
    const [kind, name, extra] = words;
    if (kind === undefined || name === undefined || extra !== undefined)
      raise('D_PRAGMA_MALFORM', 'malformed #pragma depends_on <class> <name>');
    const { environment, libraries } = this.#target;
    let found = false;
    switch (kind.text) {
      case 'provider':
        found = environment.probes.all().some(({ provider }) => provider === name.text);
        break;
      case 'module':
        found = environment.probes.all().some(({ module }) => module === name.text);
        break;
      case 'library':
        found = libraries.has(name.text);
        break;
      default:
        raise('D_PRAGMA_INVAL', `invalid class ${kind.text} specified by #pragma depends_on`);
    }
    if (!found) raise('D_PRAGMA_DEPEND', `program requires ${kind.text} ${name.text}`);
  }

  /** `attributes Stable/Stable/Common name`, or for a provider's part. */
  #attributes(words: readonly ControlWord[], line: number, raise: Raise): void {
    const [attributes, name, provider, part] = words;
    if (attributes === undefined || name === undefined) raise('D_PRAGMA_MALFORM', 'malformed #pragma attributes <attributes> <identifier>');
    const [nameStability, dataStability, dependency, extra] = attributes.text.split('/');
    const stabilities = STABILITIES as readonly (string | undefined)[];
    const sound =
      stabilities.includes(nameStability) &&
      stabilities.includes(dataStability) &&
      (CLASSES as readonly (string | undefined)[]).includes(dependency) &&
      extra === undefined;
    if (!sound) raise('D_PRAGMA_INVAL', `invalid attributes specified by #pragma attributes: ${attributes.text}`);
    if (name.text === 'provider') {
      if (provider === undefined || part === undefined || !PROVIDER_PARTS.has(part.text)) {
        raise('D_PRAGMA_MALFORM', 'malformed #pragma attributes <attributes> provider <name> <part>');
      }
      return;
    }
    if (provider !== undefined) raise('D_PRAGMA_MALFORM', 'superfluous arguments specified for #pragma attributes');
    this.#named('attributes', name.text, line, raise);
  }

  #binding(words: readonly ControlWord[], line: number, raise: Raise): void {
    const [version, name, extra] = words;
    if (version === undefined || !version.quoted || name === undefined)
      raise('D_PRAGMA_MALFORM', 'malformed #pragma binding "version" <identifier>');
    if (!/^[0-9]{1,3}\.[0-9]{1,4}(?:\.[0-9]{1,4})?$/.test(version.text)) raise('D_PRAGMA_INVAL', `invalid version string: ${version.text}`);
    if (extra !== undefined) raise('D_PRAGMA_MALFORM', 'superfluous arguments specified for #pragma binding');
    this.#named('binding', name.text, line, raise);
  }

  /** The name is one of the program's own, or will be. */
  #named(keyword: string, name: string, line: number, raise: Raise): void {
    const { names } = this.#target;
    if (names.inherited(name) !== undefined) {
      raise('D_PRAGMA_SCOPE', `#pragma ${keyword} cannot modify ${name}, which is defined outside of the program`);
    }
    if (!names.globals.has(name)) this.pending.push({ keyword, name, line });
  }

  /** After the program: a pragma for a name that nothing declared is an error. */
  finish(lexer: Lexer): void {
    const { names } = this.#target;
    const unused = this.pending.find(({ name }) => !names.globals.has(name) && names.inherited(name) === undefined);
    if (unused !== undefined) lexer.raise('D_PRAGMA_UNUSED', `unused #pragma ${unused.keyword} ${unused.name}`, unused.line);
    this.pending.length = 0;
  }
}
