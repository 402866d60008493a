/**
 * What the layout of a trace depends on besides its data, and what setopt() changes of it while it runs.
 *
 * @module
 */
import { isSet, numberOf, OptionError, type OptionValues, setOption } from '../options.ts';
import type { EffectiveOptions } from '../program.ts';
import { STACK_INDENT, type Symbols } from './symbols.ts';

export class Settings {
  readonly symbols: Symbols | undefined;
  /** TERM: which terminals cannot show packed lines in UTF-8. */
  readonly terminal: string | undefined;
  readonly #options: OptionValues;
  #quiet = false;
  #flow = false;
  #raw = false;
  #stackIndent = STACK_INDENT;

  constructor(options: EffectiveOptions, symbols: Symbols | undefined, terminal: string | undefined) {
    this.#options = { ...options };
    this.symbols = symbols;
    this.terminal = terminal;
    this.#look();
  }

  #look(): void {
    this.#quiet = isSet(this.#options, 'quiet');
    this.#flow = isSet(this.#options, 'flowindent');
    this.#raw = isSet(this.#options, 'rawbytes');
    this.#stackIndent = numberOf(this.#options, 'stackindent', STACK_INDENT);
  }

  get options(): EffectiveOptions {
    return this.#options;
  }

  get quiet(): boolean {
    return this.#quiet;
  }

  get flow(): boolean {
    return this.#flow;
  }

  get raw(): boolean {
    return this.#raw;
  }

  get stackIndent(): number {
    return this.#stackIndent;
  }

  /** setopt(): gives the reason when it cannot be set. */
  set(name: string, value: string): string | undefined {
    try {
      setOption(this.#options, name, value, 'active');
    } catch (error) {
      if (error instanceof OptionError) return error.message;
      throw error;
    }
    this.#look();
    return undefined;
  }
}
