/**
 * `kstat --openmetrics` and `--prometheus`: what a command line selects of all VMs, as metrics.
 *
 * Each kstat stands once, whatever selects it how often, and has the number of its VM among its labels: the names of two may be the same.
 *
 * @module
 */
import type { KstatSnapshot } from '../kstat.ts';
import { Exposition, type MetricsFormat } from '../metrics/exposition.ts';
import { FAMILIES } from '../metrics/families.ts';
import { addKstats } from '../metrics/render.ts';
import type { VmReading } from './kstat-chain.ts';
import type { Pattern, Selector } from './kstat-select.ts';

/** What is selected of a kstat; undefined when nothing is. */
function selected(kstat: KstatSnapshot, ofClass: Pattern, selectors: readonly Selector[]): KstatSnapshot | undefined {
  if (!ofClass(kstat.class)) return undefined;
  const fit = selectors.filter((selector) => selector.matches(kstat));
  const values = kstat.values.filter(([name]) => fit.some(({ statistic }) => statistic(name)));
  return values.length === 0 ? undefined : { ...kstat, values };
}

/** One report: its text, and whether anything matched. */
export function metricsReport(
  readings: readonly VmReading[],
  format: MetricsFormat,
  ofClass: Pattern,
  selectors: readonly Selector[],
): { text: string; matched: boolean } {
  const all = new Exposition(FAMILIES);
  let matched = false;
  for (const { vm, kstats } of readings) {
    const chosen = kstats.flatMap((kstat) => selected(kstat, ofClass, selectors) ?? []);
    addKstats(all, { vm: vm.name, vmid: String(vm.vmid) }, chosen);
    matched ||= chosen.length > 0;
  }
  return { text: all.text(format), matched };
}
