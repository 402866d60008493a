/**
 * Which of the two formats a client wants, by its Accept header (RFC 9110, 12.5.1).
 *
 * A client that names neither gets the older format: whatever reads metrics reads that, and a browser shows it. Of equal wishes OpenMetrics wins. OpenMetrics
 * of another version than 1.0.0 is not what is served here, so asking for it alone is asking for the other format.
 *
 * @module
 */
import type { MetricsFormat } from './exposition.ts';

/** A media range with its parameters, in lower case. */
interface Range {
  readonly type: string;
  readonly version: string | undefined;
  readonly quality: number;
}

function parseRange(text: string): Range {
  const [type = '', ...parameters] = text.split(';').map((part) => part.trim().toLowerCase());
  const value = (name: string): string | undefined => {
    const found = parameters.find((parameter) => parameter.startsWith(`${name}=`));
    return found?.slice(name.length + 1).replace(/^"(.*)"$/, '$1');
  };
  const quality = value('q');
  return { type, version: value('version'), quality: quality === undefined ? 1 : /^[01](\.\d{0,3})?$/.test(quality) ? Number(quality) : 0 };
}

/** Quality of the most particular of the types that is named; undefined when none is. */
function qualityOf(ranges: readonly Range[], types: readonly string[], versions: readonly string[]): number | undefined {
  for (const type of types) {
    const fit = ranges.filter((range) => range.type === type && (range.version === undefined || versions.includes(range.version)));
    if (fit.length > 0) return Math.max(...fit.map(({ quality }) => quality));
  }
  return undefined;
}

export function formatFor(accept: string | undefined): MetricsFormat {
  const ranges = (accept ?? '').split(',').map(parseRange);
  const openMetrics = qualityOf(ranges, ['application/openmetrics-text'], ['1.0.0']) ?? 0;
  const prometheus = qualityOf(ranges, ['text/plain', 'text/*', '*/*'], ['0.0.4']) ?? 0;
  return openMetrics > 0 && openMetrics >= prometheus ? 'openmetrics' : 'prometheus';
}
