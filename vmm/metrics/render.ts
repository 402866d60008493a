/**
 * The kstats of a VM as metrics, by the table in `vmm/metrics/families.ts`.
 *
 * @module
 */
import type { KstatSnapshot } from '../kstat.ts';
import { type Exposition, labelText, type Labels, seconds } from './exposition.ts';
import { GROUPS, GUEST_TIME, OTHER, VM_INFO } from './families.ts';

/** Adds what a VM's kstats say; `vm` labels each sample. */
export function addKstats(into: Exposition, vm: Labels, kstats: readonly KstatSnapshot[]): void {
  // They are read one after the other while the VM runs.
  const began = kstats.reduce<bigint | undefined>(
    (first, { snaptime }) => (first === undefined || snaptime < first ? snaptime : first),
    undefined,
  );
  for (const kstat of kstats) if (isVm(kstat)) addVm(into, vm, kstat, began ?? kstat.snaptime);
  for (const kstat of kstats) if (!isVm(kstat)) addKstat(into, vm, kstat);
}

function isVm({ module, name }: KstatSnapshot): boolean {
  return module === 'kvm' && name === 'vm';
}

function addVm(into: Exposition, vm: Labels, { instance, values }: KstatSnapshot, began: bigint): void {
  const pid = values.find(([name]) => name === 'pid')?.[1];
  into.add(VM_INFO, labelText({ ...vm, vmid: String(instance), ...(pid === undefined ? undefined : { pid: String(pid) }) }), 1);
  into.add(GUEST_TIME, labelText(vm), seconds(began));
}

function addKstat(into: Exposition, vm: Labels, kstat: KstatSnapshot): void {
  const group = GROUPS.find(({ of }) => of(kstat));
  const common = group === undefined ? '' : labelText({ ...vm, ...group.labels(kstat) });
  for (const [name, value] of kstat.values) {
    if (group === undefined || !group.meaning.has(name)) {
      addOther(into, vm, kstat, name, value);
      continue;
    }
    const meaning = group.meaning.get(name);
    if (meaning === undefined || typeof value === 'string' || (meaning.sparse && value === 0n)) continue;
    const labels = meaning.label === undefined ? common : `${common},${meaning.label}`;
    into.add(meaning.family, labels, meaning.ns ? seconds(value) : value);
  }
}

/** A text is a label of a sample that is 1. */
function addOther(into: Exposition, vm: Labels, kstat: KstatSnapshot, statistic: string, value: bigint | string): void {
  const { module, instance, name } = kstat;
  const labels = { ...vm, module, instance: String(instance), name, statistic };
  if (typeof value === 'bigint') into.add(OTHER, labelText(labels), value);
  else into.add(OTHER, labelText({ ...labels, value }), 1);
}
