/**
 * A tracer in JavaScript, for tests of what fires, when and with what: it stands in the gate of a VM, and listens to the devices' points.
 *
 * @module
 */
import { offsetOf } from '../../vmm/cpu/layout.ts';
import { MEMORY_MAP, VM_AREA } from '../../vmm/cpu/layout.ts';
import type { Firing } from '../../vmm/cpu/probe-gate.ts';
import type { Vm } from '../../vmm/vm.ts';
import { I32 } from '../../vmm/wasm/asm.ts';
import { ModuleBuilder } from '../../vmm/wasm/module.ts';
import { listen, POINTS } from '../../probes/points.ts';

/** One firing. */
export interface Fired {
  readonly name: string;
  readonly args: readonly bigint[];
  /** The VM's clock. */
  readonly at: number;
  readonly rip: number;
  readonly reason: number;
}

/** A WebAssembly function that calls back into JavaScript. */
export function asFiring(call: (cpu: number, point: number) => void): Firing {
  const m = new ModuleBuilder();
  const type = m.type([I32, I32], []);
  const imported = m.importFunction('env', 'call', type);
  m.export('call', 'func', imported);
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(m.finish()), { env: { call } });
  return exports['call'] as unknown as Firing;
}

/** Records the firings of `names` (all points when there are none) from now on. */
export function record(vm: Vm, names: readonly string[] = POINTS.map((p) => p.name)): Fired[] {
  const fired: Fired[] = [];
  const view = new DataView(vm.memory.buffer);
  const enabled = new Set(names);
  for (const point of POINTS) vm.u32[((MEMORY_MAP.VM_BASE + VM_AREA.PROBES) >>> 2) + point.id] = enabled.has(point.name) ? 1 : 0;
  const keep = (cpu: number, number: number, args: readonly bigint[]): void => {
    const point = POINTS[number];
    if (point === undefined || !enabled.has(point.name)) return;
    fired.push({
      name: point.name.slice('kvm-'.length),
      args: args.slice(0, point.args.length),
      at: vm.clock.now(),
      rip: Number(view.getBigUint64(cpu + offsetOf('RIP'), true)),
      reason: view.getUint32(cpu + offsetOf('EXIT_REASON'), true),
    });
  };
  vm.probeGate.open(
    asFiring((cpu, number) => {
      keep(
        cpu,
        number,
        Array.from({ length: 10 }, (_, i) => view.getBigUint64(cpu + offsetOf('PROBE_ARG', i), true)),
      );
    }),
  );
  listen((number, ...halves) => {
    const args = halves.map((half) => BigInt(half));
    const wide = POINTS[number]?.wide;
    if (wide !== undefined) args.splice(wide, 2, (args[wide] as bigint) | ((args[wide + 1] as bigint) << 32n));
    keep(vm.vcpus[0]?.base ?? 0, number, args);
  });
  return fired;
}
