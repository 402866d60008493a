/**
 * The tracer: how long a program takes to compile, and how long it takes until its probes are on in a VM that runs.
 *
 * @module
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { setTimeout } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { compile } from '../../probes/d/compile.ts';
import { ProbeRegistry } from '../../probes/providers/registry.ts';
import { Conductor } from '../../probes/session/conductor.ts';
import { traceRemote } from '../../probes/session/remote.ts';
import { localEnvironment, type TraceRequest } from '../../probes/session/request.ts';
import { NOTHING } from '../../vmm/cli/dlite-options.ts';
import { traceRequest } from '../../vmm/cli/trace-request.ts';
import { vmSockets } from '../../vmm/runtime-directory.ts';
import { connectVm } from '../../vmm/vm-socket-client.ts';
import { multiboot } from '../vmm/guests.ts';
import { type Row, sampleOf } from './measure.ts';

/** A script of 100 lines: a table of exits by reason with times, as one writes it; each clause is its own. */
function script(): string {
  const lines = ['#pragma D option quiet', '', 'struct seen { uint64_t first; uint64_t last; int count; };', 'struct seen seen[int];'];
  for (let reason = 0; lines.length + 8 <= 100; reason++) {
    lines.push(
      'kvm-vexit',
      `/arg1 == ${reason} && vmregs[VMX_GUEST_CR3] != 0/`,
      '{',
      `\tthis->delta = timestamp - seen[${reason}].last;`,
      `\tseen[${reason}].last = timestamp; seen[${reason}].count++;`,
      `\t@times[strexitno[arg1], ${reason}] = quantize(this->delta);`,
      `\tprintf("%-20s %#18x %d\\n", strexitno[arg1], arg0, seen[${reason}].count);`,
      '}',
    );
  }
  while (lines.length < 100) lines.push('/* */');
  return lines.join('\n');
}

function requestFor(text: string): TraceRequest {
  const request = traceRequest({ ...NOTHING, specifiers: [{ form: 'name', text: 'BEGIN' }] }, { command: 'bench', wait: false });
  return { ...request, sources: [{ form: 'script', name: 'bench.d', text }] };
}

/** Milliseconds to compile 100 lines of D: warm, after as many compilations as make no more difference. */
export function benchCompile(runs: number): Row[] {
  const request = requestFor(script());
  const once = (): number => {
    const start = performance.now();
    compile(request.sources, localEnvironment(request, new ProbeRegistry()));
    return performance.now() - start;
  };
  const cold = once();
  for (let i = 0; i < 20; i++) once();
  const values = Array.from({ length: Math.max(runs, 5) }, once);
  return [
    {
      name: 'compile',
      unit: 'ms',
      lucid: sampleOf(values),
      atMost: { value: 20, of: 'lucid' },
      note: `100 lines of D; the first of a process ${cold.toFixed(1)} ms`,
    },
  ];
}

const LUCID = fileURLToPath(new URL('../../vmm/cli/lucid.ts', import.meta.url));
/** out 0x80, al; jmp to it. */
const SPIN = [0xe6, 0x80, 0xeb, 0xfc];

/** A VM is attached to when it has run for a while: ms. */
const SETTLED_MS = 2000;

async function attachTimes(vm: ChildProcess, directory: string, runs: number): Promise<number[]> {
  const request = requestFor('sdt:kvm::kvm-pio { @[arg1] = count(); }');
  const times: number[] = [];
  await setTimeout(SETTLED_MS);
  while (times.length <= runs) {
    const place = vmSockets(join(directory, 'lucid')).find(({ pid }) => pid === vm.pid);
    if (place === undefined) {
      await setTimeout(10);
      continue;
    }
    const start = performance.now();
    const program = await traceRemote(await connectVm(place), request, new Conductor(1).voice(0), () => {});
    times.push(performance.now() - start);
    program.close();
    await setTimeout(20);
  }
  return times;
}

/** Milliseconds from the connection to a running VM until its probes are on, compiled over there. */
export async function benchAttach(runs: number): Promise<Row[]> {
  const directory = mkdtempSync(join(tmpdir(), 'lucid-bench-'));
  const kernel = join(directory, 'spin.elf');
  writeFileSync(kernel, multiboot(SPIN));
  const vm = spawn(process.execPath, [LUCID, 'run', '--kernel', kernel, '--serial', 'null', '--no-exits'], {
    stdio: 'ignore',
    env: { ...process.env, XDG_RUNTIME_DIR: directory },
  });
  try {
    const [first, ...times] = await attachTimes(vm, directory, runs);
    return [
      {
        name: 'attach',
        unit: 'ms',
        lucid: sampleOf(times),
        atMost: { value: 50, of: 'lucid' },
        note: `the first tracer of a VM ${first?.toFixed(0)} ms`,
      },
    ];
  } finally {
    vm.kill();
    await new Promise((resolve) => vm.on('exit', resolve));
    rmSync(directory, { recursive: true });
  }
}
