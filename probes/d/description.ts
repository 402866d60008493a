/**
 * Probe descriptions: `provider:module:function:name`, right-aligned when shorter.
 *
 * With -P, -m and -f the last component is the provider, the module or the function instead of the name. `$target`, `$1` and other macro
 * variables are replaced inside components.
 *
 * @module
 */
import type { SourceForm } from './environment.ts';
import type { Raise } from './error.ts';
import type { Description } from './syntax.ts';

/** How many components a description may have, by the option that brought it. */
const COMPONENTS: Readonly<Record<SourceForm, number>> = {
  script: 4,
  program: 4,
  name: 4,
  function: 3,
  module: 2,
  provider: 1,
  id: 4,
};

/** Longest component, with its NUL, by place: provider, module, function, name. */
const LENGTHS: readonly number[] = [64, 64, 128, 64];

/** Value of a macro variable, `1` or `target`; undefined when there is none. */
export type MacroText = (name: string) => string | undefined;

/** Reads a description. */
export function parseDescription(text: string, form: SourceForm, line: number, macro: MacroText, raise: Raise): Description {
  const invalid = (why: string): never => raise('D_PDESC_INVAL', `invalid probe description "${text}": ${why}`, line);
  const parts = text.split(':');
  const count = COMPONENTS[form];
  if (parts.length > count) invalid('Overspecified probe description');
  const components: string[] = ['', '', '', ''];
  parts.forEach((part, i) => {
    components[count - parts.length + i] = part.replace(
      /\$([0-9]+|[a-zA-Z_][a-zA-Z_0-9]*)/g,
      (_, name: string) => macro(name) ?? invalid('Undefined macro variable in probe description'),
    );
  });
  components.forEach((component, i) => {
    if (component.length >= LENGTHS[i]!) invalid('Probe description is too long');
  });
  const [provider = '', module = '', func = '', name = ''] = components;
  return { provider, module, func, name, line };
}

/** A description as messages show it. */
export function describe(description: Description): string {
  if (description.id !== undefined) return String(description.id);
  return `${description.provider}:${description.module}:${description.func}:${description.name}`;
}
