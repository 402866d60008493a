/**
 * Firing of the probe points that stand in the core (probes/points.ts lists them).
 *
 * A point that nobody watches costs its site one load and one branch: `watched` is inlined, `fire` is not. The raw arguments go to PROBE_ARG,
 * the rest of which is 0, and the monitor's `probe` import does what is to be done. It changes nothing but the tracer's own memory and
 * PROBE_DEADLINE, so a firing is no event of the VM.
 */
import { probe } from './env';
import { PROBE_ARG, VM_PROBES } from './state.gen';

/** Somebody has enabled the point. */
// @ts-ignore: decorator
@inline
export function watched(point: u32): bool {
  return load<u32>(VM_PROBES + (<usize>point << 2)) != 0;
}

export function fire(cpu: usize, point: u32, a0: u64, a1: u64 = 0, a2: u64 = 0, a3: u64 = 0, a4: u64 = 0, a5: u64 = 0): void {
  store<u64>(cpu, a0, PROBE_ARG);
  store<u64>(cpu, a1, PROBE_ARG + 8);
  store<u64>(cpu, a2, PROBE_ARG + 16);
  store<u64>(cpu, a3, PROBE_ARG + 24);
  store<u64>(cpu, a4, PROBE_ARG + 32);
  store<u64>(cpu, a5, PROBE_ARG + 40);
  // Four stores are a tenth of a call of the engine's memory.fill.
  store<u64>(cpu, 0, PROBE_ARG + 48);
  store<u64>(cpu, 0, PROBE_ARG + 56);
  store<u64>(cpu, 0, PROBE_ARG + 64);
  store<u64>(cpu, 0, PROBE_ARG + 72);
  probe(cpu, point);
}
