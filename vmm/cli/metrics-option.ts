/**
 * `--metrics`: where a run's metrics are served.
 *
 * @module
 */
import type { ListenAddress } from '../metrics/listen-address.ts';
import { UsageError } from './options.ts';

const FORMS = 'write PORT, HOST:PORT or [::1]:PORT; port 0 is any that is free';

/** Near enough: what is none all the same cannot be listened on. */
const IPV6 = /^[\da-f]*:[\da-f:.]*(%[\w.-]+)?$/i;

/** A port alone is of 127.0.0.1. Throws UsageError. */
export function parseMetrics(text: string): ListenAddress {
  const wrong = (why: string): UsageError => new UsageError(`--metrics ${text || "''"}: ${why}`);
  const [, given, digits = ''] = /^(?:(.*):)?([^:\]]*)$/s.exec(text) ?? [];
  if (!/^\d{1,5}$/.test(digits) || Number(digits) > 65_535) throw wrong(`not an address with a port from 0 to 65535; ${FORMS}`);
  const port = Number(digits);
  if (given === undefined) return { host: '127.0.0.1', port };
  if (given === '') throw wrong(`which address? write ${port} for 127.0.0.1 alone, 0.0.0.0:${port} for all of this host's`);
  const [, inBrackets] = /^\[(.*)\]$/.exec(given) ?? [];
  const host = inBrackets ?? given;
  if (inBrackets !== undefined && !IPV6.test(host)) throw wrong(`'${host}' is no IPv6 address; ${FORMS}`);
  if (inBrackets === undefined && given.includes(':')) throw wrong(`an IPv6 address stands in brackets; ${FORMS}`);
  if (inBrackets === undefined && !/^[\w.-]{1,253}$/.test(host)) throw wrong(`'${host}' is no address and no host's name; ${FORMS}`);
  return { host, port };
}
