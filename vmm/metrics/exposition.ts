/**
 * Metrics as text, in the two formats that Prometheus reads: OpenMetrics 1.0 and its own, version 0.0.4.
 *
 * A family is a name with a type, a unit and a line of help; its samples differ in their labels. The formats write samples alike and differ around them:
 * OpenMetrics names a counter's family without the `_total` of its samples, knows the types `info` and `unknown` and a line for the unit, and ends with
 * `# EOF`, by which a text that was cut off is recognised; the older format has `gauge` and `untyped` for those types. Escapes: `\\`, `\"` and `\n` in
 * the values of labels, in OpenMetrics' help too; there is no other (a control character stands as it is). Text is UTF-8 and so must be well formed.
 *
 * By the OpenMetrics specification 1.0 ("Text Format") and Prometheus' "Exposition formats". Leaves out time stamps (a sample is of now), `_created`,
 * histograms and summaries.
 *
 * @module
 */

export type MetricsFormat = 'openmetrics' | 'prometheus';

/** What a format is called in HTTP. */
export const CONTENT_TYPES: Readonly<Record<MetricsFormat, string>> = {
  openmetrics: 'application/openmetrics-text; version=1.0.0; charset=utf-8',
  prometheus: 'text/plain; version=0.0.4; charset=utf-8',
};

/** What several samples have in common. */
export interface Family {
  /** Without the suffix of its samples; ends with the unit. */
  readonly name: string;
  readonly type: 'counter' | 'gauge' | 'info' | 'unknown';
  readonly unit?: 'seconds' | 'bytes';
  readonly help: string;
}

/** Names and values, in order. */
export type Labels = Readonly<Record<string, string>>;

const SUFFIX = { counter: '_total', gauge: '', info: '_info', unknown: '' } as const;
const OLD_TYPE = { counter: 'counter', gauge: 'gauge', info: 'gauge', unknown: 'untyped' } as const;

function escaped(text: string): string {
  return text.toWellFormed().replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('"', '\\"');
}

/** Labels as they stand between the braces. */
export function labelText(labels: Labels): string {
  return Object.entries(labels)
    .map(([name, value]) => `${name}="${escaped(value)}"`)
    .join(',');
}

/** Nanoseconds as seconds, without digits that say nothing. */
export function seconds(ns: bigint): string {
  const fraction = (ns % 1_000_000_000n).toString().padStart(9, '0').replace(/0+$/, '');
  return `${ns / 1_000_000_000n}${fraction === '' ? '' : `.${fraction}`}`;
}

/** What one answer says: families in the order that is given, then of their first samples. */
export class Exposition {
  readonly #samples: Map<Family, string[]>;

  constructor(order: readonly Family[] = []) {
    this.#samples = new Map(order.map((family) => [family, []]));
  }

  /** Adds a sample; `labels` as `labelText` gives them. */
  add(family: Family, labels: string, value: bigint | number | string): void {
    const braces = labels === '' ? '' : `{${labels}}`;
    const line = `${family.name}${SUFFIX[family.type]}${braces} ${value}\n`;
    const lines = this.#samples.get(family);
    if (lines === undefined) this.#samples.set(family, [line]);
    else lines.push(line);
  }

  text(format: MetricsFormat): string {
    const parts: string[] = [];
    for (const [family, lines] of this.#samples) if (lines.length > 0) parts.push(header(family, format), ...lines);
    if (format === 'openmetrics') parts.push('# EOF\n');
    return parts.join('');
  }
}

function header({ name, type, unit, help }: Family, format: MetricsFormat): string {
  if (format === 'prometheus') {
    const full = name + SUFFIX[type];
    return `# HELP ${full} ${help.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')}\n# TYPE ${full} ${OLD_TYPE[type]}\n`;
  }
  return `# TYPE ${name} ${type}\n${unit === undefined ? '' : `# UNIT ${name} ${unit}\n`}# HELP ${name} ${escaped(help)}\n`;
}
