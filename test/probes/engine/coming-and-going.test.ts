/** Programs come, stop and go at random times of a boot: the guest is the one that nobody traced, and all memory comes back. */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { STATE } from '../../../probes/arena.ts';
import { compile } from '../../../probes/d/compile.ts';
import { EnableError } from '../../../probes/engine/programs.ts';
import { listen } from '../../../probes/points.ts';
import { ProbeRegistry } from '../../../probes/providers/registry.ts';
import { MEMORY_MAP, VM_AREA } from '../../../vmm/cpu/layout.ts';
import { reportOf } from '../../../vmm/report.ts';
import { fingerprint } from '../../../vmm/snapshot.ts';
import { numbers } from '../../cpu/random-code.ts';
import { builtinGuest, machineWith } from '../../vmm/guests.ts';
import { AROUND, Traced, TracedProgram } from './traced.ts';

const test = suite('coming and going');

test.after.each(() => {
  listen(null);
});

const SOURCES = [
  'sdt::: { @[probename] = count(); trace(timestamp); }',
  'kvm-vexit { self->t = timestamp; self->r = arg1; } kvm-guest-entry /self->t/ { @[strexitno[self->r]] = quantize(timestamp - self->t); self->t = 0; }',
  'profile-4999 { @[stack(), ustack()] = count(); } tick-1ms { printa(@); clear(@); }',
  'kvm-pio { a[args[1], n++] = args[4]; } END { printf("%d", n); }',
  'kvm-vexit /++n == 100/ { printf("%s", strjoin(probefunc, lltostr(n))); exit(n); } END { trace(n); }',
  'kvm-mmio-write { this->s = speculation(); speculate(this->s); trace(args[1]); } kvm-vrun { commit(1); }',
  'sdt::: { trace(*(uint64_t *)arg0); tracemem(arg1, 16); } ERROR { @[arg4] = count(); }',
  'tick-200us, profile-1999 { trace(copyinstr(vmregs[VMX_GUEST_RSP])); @[vmregs[VMX_GUEST_CR3]] = lquantize(vmregs[VMX_GUEST_RIP] >> 12, 0, 1024, 16); }',
  'BEGIN { exit(0); } END { printf("never on"); }',
];

const registry = new ProbeRegistry();
const random = numbers(11);
const PROGRAMS = SOURCES.flatMap((text) =>
  ['switch', 'fill', 'ring'].map(
    (bufpolicy) =>
      compile([{ form: 'program', name: text, text }], {
        probes: registry,
        options: { bufsize: 1 << 14, bufpolicy, aggsize: 1 << 16, dynvarsize: 1 << 16 },
      }).program,
  ),
);

function boot(piece?: (traced: Traced) => void): unknown {
  const { machine, console } = machineWith(builtinGuest(), { memory: '16M' });
  const traced = piece === undefined ? undefined : new Traced(machine.vm);
  let outcome = machine.run({ insns: piece === undefined ? undefined : 1 });
  while (outcome.kind === 'limit') {
    piece?.(traced as Traced);
    outcome = machine.run({ insns: machine.vcpu.instructions + 1 + random(random(4) === 0 ? 40 : 20_000) });
  }
  traced?.tracer.ended();
  const { engine: _, ...report } = reportOf(machine.vm);
  const saved = machine.vm.saveState();
  return { outcome, report, console: console(), ram: fingerprint([], saved.pages), devices: saved.devices };
}

test('a boot with hundreds of enablings is the boot without', () => {
  const plain = boot();
  let running: TracedProgram[] = [];
  let enabled = 0;
  let refused = 0;
  let records = 0;
  let last: Traced | undefined;
  const traced = boot((t) => {
    last = t;
    for (let n = random(3); n > 0; n--) {
      const compiled = PROGRAMS[random(PROGRAMS.length)] as (typeof PROGRAMS)[number];
      try {
        const program = t.tracer.add(compiled, AROUND, false);
        t.tracer.begin(program);
        running.push(new TracedProgram(t.vm, compiled, program));
        enabled++;
      } catch (error) {
        if (!(error instanceof EnableError)) throw error;
        refused++;
      }
    }
    running = running.filter((p) => {
      const choice = random(24);
      if (choice === 0) t.tracer.stop(p.running);
      if (choice < 8) records += p.records().length;
      if (choice !== 1 && (p.state !== STATE.STOPPED || choice > 12)) return true;
      t.tracer.release(p.running);
      return false;
    });
  });
  assert.equal(traced, plain);
  assert.ok(enabled > 200 && refused > 20 && records > 2000, `${enabled} ${refused} ${records}`);
  const { vm, tracer } = last as Traced;
  for (const { running: program } of running) tracer.release(program);
  const switches = (MEMORY_MAP.VM_BASE + VM_AREA.PROBES) >>> 2;
  assert.ok(vm.u32.subarray(switches, switches + 30).every((word) => word === 0));
  const fresh = tracer.add(PROGRAMS[0] as (typeof PROGRAMS)[number], AROUND, false);
  assert.is(
    fresh.arena,
    new Traced(vm).tracer.add(PROGRAMS[0] as (typeof PROGRAMS)[number], AROUND, false).arena,
    'the first arena is free again',
  );
});

test.run();
