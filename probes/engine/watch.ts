/**
 * A firing that is looked after: calls the runtime's `probe`, and JavaScript when that has left something to do at once (ATTENTION).
 *
 * It stands between the core's gate and the runtime, in WebAssembly, so that a firing that leaves nothing to do never leaves WebAssembly.
 *
 * @module
 */
import { MEMORY_MAP } from '../../vmm/cpu/layout.ts';
import type { Firing } from '../../vmm/cpu/probe-gate.ts';
import { I32 } from '../../vmm/wasm/asm.ts';
import { ModuleBuilder } from '../../vmm/wasm/module.ts';
import { OP } from '../../vmm/wasm/opcode.ts';
import { ATTENTION } from '../arena.ts';

export const ATTENTION_AT = MEMORY_MAP.TRACE + ATTENTION;

let compiled: WebAssembly.Module | undefined;

function compile(): WebAssembly.Module {
  const m = new ModuleBuilder();
  const firing = m.type([I32, I32], []);
  m.importMemory('env', 'memory', { initial: 1, maximum: 65536, shared: true });
  const probe = m.importFunction('env', 'probe', firing);
  const attend = m.importFunction('env', 'attend', m.type([I32], []));
  const watched = m.func(firing, (a) => {
    a.get(0);
    a.get(1);
    a.call(probe);
    a.i32(ATTENTION_AT);
    a.mem(OP.i32Load);
    a.if_();
    a.get(0);
    a.call(attend);
    a.end();
  });
  m.export('firing', 'func', watched);
  return new WebAssembly.Module(m.finish());
}

/** `attend` is called with the vCPU's state. */
export function watchedFiring(memory: WebAssembly.Memory, probe: Firing, attend: (cpu: number) => void): Firing {
  compiled ??= compile();
  const { exports } = new WebAssembly.Instance(compiled, { env: { memory, probe, attend } });
  return exports['firing'] as unknown as Firing;
}
