/**
 * Stability of what a provider offers: the attributes that `-lv` prints and `-x amin` compares.
 *
 * Models the Dynamic Tracing Guide's chapter on stability and `dtrace_pattr_t`: a triplet for the provider, the module, the function and the name of
 * its probes, and one for their arguments. A probe's description is as stable as the least stable of the components that it has.
 *
 * @module
 */

/** From the least to the most stable. */
export const STABILITIES = ['Internal', 'Private', 'Obsolete', 'External', 'Unstable', 'Evolving', 'Stable', 'Standard'] as const;
/** From the least to the most common. */
export const CLASSES = ['Unknown', 'CPU', 'Platform', 'Group', 'ISA', 'Common'] as const;

export type Stability = (typeof STABILITIES)[number];
export type DependencyClass = (typeof CLASSES)[number];

/** Identifier names, data semantics, dependency class. */
export interface Attributes {
  readonly name: Stability;
  readonly data: Stability;
  readonly class: DependencyClass;
}

/** What a provider declares. */
export interface ProviderAttributes {
  readonly provider: Attributes;
  readonly module: Attributes;
  readonly func: Attributes;
  readonly name: Attributes;
  readonly args: Attributes;
}

export function attributes(name: Stability, data: Stability, dependency: DependencyClass): Attributes {
  return { name, data, class: dependency };
}

function lesser<T>(order: readonly T[], a: T, b: T): T {
  return order.indexOf(a) < order.indexOf(b) ? a : b;
}

/** The least of each. */
export function leastStable(all: readonly Attributes[]): Attributes {
  return all.reduce((a, b) => ({
    name: lesser(STABILITIES, a.name, b.name),
    data: lesser(STABILITIES, a.data, b.data),
    class: lesser(CLASSES, a.class, b.class),
  }));
}
