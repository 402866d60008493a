/**
 * `dlite` without any VM: the dtrace and profile providers, on the host's clock.
 *
 * @module
 */
import { randomBytes } from 'node:crypto';
import { HostEngine } from '../../probes/engine/host-engine.ts';
import { ProbeRegistry } from '../../probes/providers/registry.ts';
import { type ProgramEvents, type RunningProgram, runProgram } from '../../probes/session/program.ts';
import type { TraceRequest } from '../../probes/session/request.ts';
import { compileHere } from './dlite-compile.ts';

/** What a program is told of a world without a VM: this process and the host's time. */
function surroundings() {
  const nowNs = process.hrtime.bigint();
  return {
    pid: process.pid,
    vmid: 0,
    execname: 'dlite',
    vmname: '',
    zonename: 'global',
    epochNs: BigInt(Date.now()) * 1_000_000n - nowNs,
    seed: randomBytes(8).readBigUInt64LE(),
  };
}

/** Compiles and enables. Throws TraceError. */
export function enableOnHost(request: TraceRequest, events: ProgramEvents): Promise<RunningProgram> {
  const compilation = compileHere(request, new ProbeRegistry());
  const engine = new HostEngine();
  const host = { enable: (program: typeof compilation.program, wait: boolean) => engine.enable(program, surroundings(), wait) };
  return runProgram(host, compilation, events, { wait: request.wait, interim: false });
}
