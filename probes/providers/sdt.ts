/**
 * The sdt provider: the static points of `probes/points.ts`.
 *
 * @module
 */
import { POINTS } from '../points.ts';
import { attributes } from './attributes.ts';
import type { Provider } from './provider.ts';

const evolving = attributes('Evolving', 'Evolving', 'ISA');
const hidden = attributes('Private', 'Private', 'Unknown');
const own = attributes('Private', 'Private', 'ISA');

export const sdtProvider: Provider = {
  name: 'sdt',
  attributes: { provider: evolving, module: hidden, func: hidden, name: own, args: own },
  probes: POINTS.map(({ provider, module, func, name, args, alias }) => ({
    provider,
    module,
    func,
    name,
    args,
    ...(alias !== undefined && { alias }),
  })),
};
