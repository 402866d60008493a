/**
 * The io and vnic providers: the points of `probes/points.ts` that disks and NICs fire.
 *
 * io:::start and io:::done are those of the Dynamic Tracing Guide, chapter "io Provider", with its stability; `blk` stands where illumos has the function
 * that hands a request to a driver. vnic is this project's.
 *
 * @module
 */
import { DEVICE_POINTS } from '../points.ts';
import { type Attributes, attributes } from './attributes.ts';
import type { Provider } from './provider.ts';

const evolving = attributes('Evolving', 'Evolving', 'ISA');
const hidden = attributes('Private', 'Private', 'Unknown');

function deviceProvider(name: 'io' | 'vnic', args: Attributes, moduleAlias?: string): Provider {
  const probes = DEVICE_POINTS.filter(({ provider }) => provider === name);
  return {
    name,
    attributes: { provider: evolving, module: hidden, func: hidden, name: evolving, args },
    probes: probes.map(({ module, func, name: probe, args: types }) => ({
      provider: name,
      module,
      func,
      name: probe,
      args: types,
      moduleAlias,
    })),
  };
}

/** Scripts for illumos say io:genunix::start. */
export const ioProvider: Provider = deviceProvider('io', evolving, 'genunix');
export const vnicProvider: Provider = deviceProvider('vnic', attributes('Private', 'Private', 'ISA'));
