/**
 * A mark in a run, as options and files name it: `serial:TEXT`, `port:0xf4`, `port:0xf4=1`, `address:0x100000`, `symbol:main`.
 *
 * @module
 */
import type { Mark } from '../exit-log/marks.ts';
import type { SymbolTable } from '../symbols.ts';
import { parsePort, UsageError } from './options.ts';

const USAGE = 'write serial:TEXT, port:0xf4, port:0xf4=1, address:0x100000 or symbol:NAME';

/** Throws UsageError. */
export function parseMark(text: string, symbols?: SymbolTable): Mark {
  const cut = text.indexOf(':');
  const [kind, rest] = [text.slice(0, cut), text.slice(cut + 1)];
  if (cut < 0 || rest === '') throw new UsageError(`--mark ${text}: not a mark; ${USAGE}`);
  switch (kind) {
    case 'serial':
      // The console is bytes.
      return { kind, text: Buffer.from(rest).toString('latin1') };
    case 'port': {
      const [port = '', value] = rest.split('=');
      if (value === undefined) return { kind, port: parsePort('--mark port', port) };
      if (!/^(0x[0-9a-f]{1,8}|\d{1,10})$/i.test(value) || Number(value) > 0xffff_ffff)
        throw new UsageError(`--mark ${text}: ${value} is not a value of 32 bits; ${USAGE}`);
      return { kind, port: parsePort('--mark port', port), value: Number(value) };
    }
    case 'address':
      if (!/^0x[0-9a-f]{1,16}$/i.test(rest)) throw new UsageError(`--mark ${text}: not an address; ${USAGE}`);
      return { kind, address: BigInt(rest) };
    case 'symbol': {
      if (symbols === undefined) throw new UsageError(`--mark ${text}: whose symbol? give --symbols FILE`);
      const address = symbols.address(rest);
      if (address === undefined) throw new UsageError(`--mark ${text}: there is no such symbol in what --symbols names`);
      return { kind: 'address', address };
    }
    default:
      throw new UsageError(`--mark ${text}: '${kind}' is unknown; ${USAGE}`);
  }
}
