/**
 * What a provider of probes is to the registry.
 *
 * Providers of the guest's own probes (fbt, pid, syscall, ...) fit in here: they make their probes when asked for them, from what they know of
 * the guest then.
 *
 * @module
 */
import type { Probe } from '../d/tree.ts';
import type { ProviderAttributes } from './attributes.ts';

/** A probe before it has its number. */
export interface ProbeName extends Omit<Probe, 'id'> {
  /** Another name that it answers to. */
  readonly alias?: string;
  /** Another module that it answers to. */
  readonly moduleAlias?: string;
}

/** Description of probes by component: globs, '' = any. */
export interface ProbeGlobs {
  readonly provider: string;
  readonly module: string;
  readonly func: string;
  readonly name: string;
}

export interface Provider {
  readonly name: string;
  readonly attributes: ProviderAttributes;
  /** What it has from the start, in the order of its numbers. */
  readonly probes: readonly ProbeName[];
  /** Probes that come into being because somebody asks for them; `has` says which there are already. */
  provide?(wanted: ProbeGlobs, has: (name: string) => boolean): readonly ProbeName[];
}
