/**
 * The registry of probes: numbers, matching of descriptions, and what `-l` lists.
 *
 * Numbers are given in this order and never again: dtrace (BEGIN is 1, END 2, ERROR 3), sdt, the profile probes that are there from the start, io, vnic,
 * then those that come into being on demand. One registry serves a process, so that a number means the same probe to everybody.
 *
 * @module
 */
import type { ProbePattern, Probes } from '../d/environment.ts';
import type { Probe } from '../d/tree.ts';
import { type Attributes, leastStable } from './attributes.ts';
import { dtraceProvider } from './dtrace.ts';
import { globMatches } from './glob.ts';
import { ioProvider, vnicProvider } from './device.ts';
import { profileProvider } from './profile.ts';
import type { ProbeGlobs, ProbeName, Provider } from './provider.ts';
import { sdtProvider } from './sdt.ts';

/** Numbers of the dtrace provider's probes. */
export const PROBE_ID = { BEGIN: 1, END: 2, ERROR: 3 } as const;

export class ProbeRegistry implements Probes {
  readonly #providers: readonly Provider[];
  /** Index = number - 1. */
  readonly #probes: Probe[] = [];
  readonly #aliases = new Map<Probe, Pick<ProbeName, 'alias' | 'moduleAlias'>>();
  readonly #names = new Map<string, Set<string>>();

  constructor(providers: readonly Provider[] = [dtraceProvider, sdtProvider, profileProvider(), ioProvider, vnicProvider]) {
    this.#providers = providers;
    for (const provider of providers) for (const probe of provider.probes) this.#add(provider, probe);
  }

  #add(provider: Provider, { provider: name, module, func, name: probeName, args, alias, moduleAlias }: ProbeName): void {
    const probe: Probe = { id: this.#probes.length + 1, provider: name, module, func, name: probeName, args };
    this.#probes.push(probe);
    if (alias !== undefined || moduleAlias !== undefined) this.#aliases.set(probe, { alias, moduleAlias });
    const names = this.#names.get(provider.name) ?? new Set();
    this.#names.set(provider.name, names.add(probeName));
  }

  /** The probes that a description or a number stands for, by number; creates those of the kind that exist on demand. */
  match(pattern: ProbePattern): readonly Probe[] {
    if ('id' in pattern) {
      const probe = this.byId(pattern.id);
      return probe === undefined ? [] : [probe];
    }
    this.#provide(pattern);
    return this.#probes.filter((probe) => this.#fits(pattern, probe));
  }

  #provide(pattern: ProbeGlobs): void {
    for (const provider of this.#providers) {
      const has = (name: string): boolean => this.#names.get(provider.name)?.has(name) === true;
      for (const probe of provider.provide?.(pattern, has) ?? []) this.#add(provider, probe);
    }
  }

  #fits(pattern: ProbeGlobs, probe: Probe): boolean {
    const fits = (glob: string, text: string, alias?: string): boolean =>
      glob === '' || globMatches(glob, text) || (alias !== undefined && globMatches(glob, alias));
    const { alias, moduleAlias } = this.#aliases.get(probe) ?? {};
    return (
      fits(pattern.provider, probe.provider) &&
      fits(pattern.module, probe.module, moduleAlias) &&
      fits(pattern.func, probe.func) &&
      fits(pattern.name, probe.name, alias)
    );
  }

  /** Every probe there is, by number. */
  all(): readonly Probe[] {
    return this.#probes;
  }

  byId(id: number): Probe | undefined {
    return this.#probes[id - 1];
  }

  /** How stable a probe's description and its arguments are. */
  attributesOf(probe: Probe): { readonly probe: Attributes; readonly args: Attributes } {
    const declared = this.#providers.find((p) => p.name === probe.provider)?.attributes;
    if (declared === undefined) throw new RangeError(`no provider ${probe.provider}`);
    const { provider, module, func, name, args } = declared;
    const components = [provider, ...(probe.module === '' ? [] : [module]), ...(probe.func === '' ? [] : [func]), name];
    return { probe: leastStable(components), args };
  }
}
