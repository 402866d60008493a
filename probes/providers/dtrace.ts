/**
 * The dtrace provider: BEGIN, END and ERROR, the tracer's own probes.
 *
 * @module
 */
import { attributes } from './attributes.ts';
import type { Provider } from './provider.ts';

const stable = attributes('Stable', 'Stable', 'Common');
const hidden = attributes('Private', 'Private', 'Unknown');

const probe = (name: string) => ({ provider: 'dtrace', module: '', func: '', name, args: [] });

export const dtraceProvider: Provider = {
  name: 'dtrace',
  attributes: { provider: stable, module: hidden, func: hidden, name: stable, args: stable },
  probes: [probe('BEGIN'), probe('END'), probe('ERROR')],
};
