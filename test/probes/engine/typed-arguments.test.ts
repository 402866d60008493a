/** args[] of every static point: there are as many as the point has, of its types, and they hold what arg0 and its kin hold, seen through them. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { compile } from '../../../probes/d/compile.ts';
import { CompileError } from '../../../probes/d/error.ts';
import { resolve } from '../../../probes/d/types.ts';
import type { CompiledProgram } from '../../../probes/program.ts';
import { listen, POINTS } from '../../../probes/points.ts';
import { ProbeRegistry } from '../../../probes/providers/registry.ts';
import { parseIntercepts } from '../../../vmm/index.ts';
import type { Vm } from '../../../vmm/vm.ts';
import { builtinGuest, machineWith } from '../../vmm/guests.ts';
import { Guest, HANDLERS, le } from '../../vmm/guest.ts';
import { AROUND, Traced, TracedProgram } from './traced.ts';

const test = suite('typed arguments');

test.after.each(() => {
  listen(null);
});

const registry = new ProbeRegistry();

function compiled(text: string): CompiledProgram {
  return compile([{ form: 'program', name: text, text }], { probes: registry, options: { bufsize: 8 << 20 } }).program;
}

/** Each point's arguments, typed and raw, in turn; of a vCPU its number. */
const EVERYTHING = compiled(
  POINTS.map(({ func, name, args }) => {
    const traced = args.map(({ type }, i) => {
      const typed = type.endsWith('*') ? `(uint64_t)args[${i}] + args[${i}]->vcpu_id` : `args[${i}]`;
      return `trace(${typed}); trace((uint64_t)arg${i});`;
    });
    return `sdt:kvm:${func}:${name} { ${traced.join(' ')} }`;
  }).join('\n'),
);

function start(vm: Vm): TracedProgram {
  const traced = new Traced(vm);
  const running = traced.tracer.add(EVERYTHING, AROUND, false);
  traced.tracer.begin(running);
  return new TracedProgram(vm, EVERYTHING, running);
}

/** Names of what fired; every typed argument was its raw one. */
function verified(p: TracedProgram): Set<string> {
  const names = new Set<string>();
  assert.is(p.drops(), 0);
  for (const { epid, name, data } of p.records()) {
    names.add(name);
    const point = POINTS.find((one) => one.name === name);
    const actions = EVERYTHING.descriptor.epids[epid]?.actions ?? [];
    assert.is(data.length, 2 * (point?.args.length ?? -1), name);
    for (let i = 0; i < data.length; i += 2) {
      const bytes = actions[i]?.data[0]?.bytes ?? 0;
      assert.is(data[i], BigInt.asUintN(8 * bytes, data[i + 1] as bigint), `${name} args[${i / 2}]`);
    }
  }
  return names;
}

test('as many as the table has, of its types; one more is an error', () => {
  for (const { func, name, args } of POINTS) {
    const { descriptor } = compiled(
      `sdt:kvm:${func}:${name} { ${args.map((_, i) => `trace(args[${i}]);`).join(' ')} }`.replace(
        'trace(args[0]);',
        'trace((uint64_t)args[0]);',
      ),
    );
    const types = descriptor.epids[1]?.actions.map((a) => a.data[0]?.type) ?? [];
    args.slice(1).forEach(({ type }, i) => {
      const found = types[i + 1];
      assert.ok(found !== undefined && 'name' in found, `${name} args[${i + 1}]`);
      assert.is(found.name, type, `${name} args[${i + 1}]`);
      assert.is(resolve(found).kind, 'int');
    });
    assert.throws(
      () => compiled(`sdt:kvm:${func}:${name} { trace((uint64_t)args[${args.length}]); }`),
      (error: Error) => error instanceof CompileError && error.tag === 'D_ARGS_IDX',
      name,
    );
  }
});

const mov = (n: number, value: number): string => `${le(0xb8 + n, 1)} ${le(value, 4)}`;
const rdmsr = (index: number): string => `${mov(1, index)} 0f 32`;

test('from guest code, each that there is', () => {
  const { machine } = machineWith(builtinGuest(), { memory: '16M' });
  const p = start(machine.vm);
  machine.run({});
  const names = verified(p);
  const run = (code: string, options: Partial<ConstructorParameters<typeof Guest>[0]> = {}): void => {
    listen(null);
    const g = new Guest({ code: `${code} f4`, unclaimed: 'float', ...options });
    g.vm.createIrqchip();
    if (options.mode === 'prot32') g.put(HANDLERS + 16 * 0x51, 'cf');
    g.touchAll();
    const one = start(g.vm);
    // After all of the code, which lets it in then.
    g.vm.clock.deadline('line', () => g.vm.irqLine(5, true)).arm(60);
    g.vm.signalMsi(0xfee0_0000, 0x51);
    g.run(1000);
    for (const name of verified(one)) names.add(name);
  };
  const lapic = (register: number, value: number): string => `c7 05 ${le(0xfee0_0000 + register, 4)} ${le(value, 4)}`;
  run(`${mov(0, 5)} 0f 01 c1 0f 20 db 0f 22 db ${rdmsr(0x277)} 0f 30 ${rdmsr(0x1234)}`, { intercepts: parseIntercepts('cr3,ud') });
  run(`${mov(0, 0xff)} ${mov(2, 0)} ${mov(1, 0x277)} 0f 30`);
  const out = (port: number, value: number): string => `b0 ${le(value, 1)} e6 ${le(port, 1)}`;
  // The 8259 as it is behind the local APIC, ending its interrupts by itself.
  const pic = `${lapic(0x350, 0x700)} ${out(0x20, 0x11)} ${out(0x21, 0x40)} ${out(0x21, 4)} ${out(0x21, 3)} ${out(0x21, 0xdf)}`;
  const reads = [0xfee0_0080, 0xd000_0000].map((at) => `a1 ${le(at, 4)}`).join(' ');
  const code = `${lapic(0xf0, 0x1ff)} ${lapic(0x300, 0x4_4051)} ${lapic(0xb0, 0)} ${reads} ${pic} fb ${'90'.repeat(100)}`;
  run(code, { mode: 'prot32' });
  const missing = POINTS.map(({ name }) => name).filter((name) => !names.has(name));
  assert.equal(missing, []);
});

test.run();
