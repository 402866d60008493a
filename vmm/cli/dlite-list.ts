/**
 * `dlite -l` and `-v`: probes and their stability, in the columns of dtrace(1M).
 *
 * @module
 */
import type { Compilation } from '../../probes/d/compile.ts';
import { describe } from '../../probes/d/description.ts';
import type { Source } from '../../probes/d/environment.ts';
import type { Probe } from '../../probes/d/tree.ts';
import { type Attributes, attributes, leastStable } from '../../probes/providers/attributes.ts';
import type { ProbeRegistry } from '../../probes/providers/registry.ts';
import { shownName } from './trace-request.ts';

/** Of a program without probes. */
const STABLE = attributes('Stable', 'Stable', 'Common');

function attributeLines(heading: string, { name, data, class: dependency }: Attributes): string {
  return `\n\t${heading}\n\t\tIdentifier Names: ${name}\n\t\tData Semantics:   ${data}\n\t\tDependency Class: ${dependency}\n`;
}

/** What -v adds to a probe. */
function details(probe: Probe, registry: ProbeRegistry): string {
  const { probe: own, args } = registry.attributesOf(probe);
  const types = probe.args.map(({ type }, i) => `\t\targs[${i}]: ${type}\n`).join('') || '\t\tNone\n';
  return `${attributeLines('Probe Description Attributes', own)}${attributeLines('Argument Attributes', args)}
\tArgument Types\n${types}\n`;
}

function row(id: string, provider: string, module: string, func: string, name: string): string {
  return `${id.padStart(5)} ${provider.padStart(10)} ${module.padStart(17)} ${func.padStart(33)} ${name}\n`;
}

function rows(probes: readonly Probe[], registry: ProbeRegistry, verbose: boolean): string {
  return probes
    .map((probe) => {
      const line = row(String(probe.id), probe.provider, probe.module, probe.func, probe.name);
      return verbose ? line + details(probe, registry) : line;
    })
    .join('');
}

/** Probes that descriptions stand for, one description after another, or all there are. `failed` is told of one that matches nothing. */
export function listText(
  registry: ProbeRegistry,
  compilation: Compilation | undefined,
  verbose: boolean,
  failed: (text: string) => void,
): string {
  let text = row('ID', 'PROVIDER', 'MODULE', 'FUNCTION', 'NAME');
  if (compilation === undefined) return text + rows(registry.all(), registry, verbose);
  for (const { probes, ...description } of compilation.descriptions) {
    if (probes.length === 0) failed(`failed to match ${describe(description)}: No probe matches description`);
    text += rows(probes, registry, verbose);
  }
  return text;
}

/** -v: how stable a program is, by the probes that it uses. */
export function stabilityText(source: Source, probes: readonly Probe[], registry: ProbeRegistry): string {
  const least = leastStable(probes.length > 0 ? probes.map((probe) => registry.attributesOf(probe).probe) : [STABLE]);
  const shown = `${source.form === 'script' ? 'script' : 'description'} ${shownName(source)}`;
  return `\nStability attributes for ${shown}:\n${attributeLines('Minimum Probe Description Attributes', least)}${attributeLines(
    'Minimum Statement Attributes',
    least,
  )}`;
}

/** -ev: the descriptions of a program, those of a single probe with its details. */
export function descriptionsText(descriptions: Compilation['descriptions'], registry: ProbeRegistry): string {
  return descriptions
    .map(({ probes: [probe, ...others], ...description }) => {
      const line = `\n${describe(description)}\n`;
      return probe !== undefined && others.length === 0 ? line + details(probe, registry) : line;
    })
    .join('');
}
