/**
 * Built-in variables, by the Dynamic Tracing Guide, chapter 3; what is particular to a VM: the clock is the VM's, a thread is a vCPU, the process is the
 * VM's own.
 *
 * @module
 */
import { OP } from '../../../vmm/wasm/opcode.ts';
import { offsetOf } from '../../../vmm/cpu/layout.ts';
import { ARENA } from '../../arena.ts';
import { type Code, PARAMETER } from './code.ts';
import { pushArgument } from './expression.ts';
import { PROBE_RECORD } from './module.ts';

type Emit = (code: Code) => void;

function clock({ asm }: Code): void {
  asm.get(PARAMETER.CPU);
  asm.mem(OP.i64Load, offsetOf('ICOUNT'));
  asm.get(PARAMETER.CPU);
  asm.mem(OP.i64Load, offsetOf('CLOCK_OFFSET'));
  asm.op(OP.i64Add);
}

/** A word of the arena's header. */
const arenaWord =
  (offset: number): Emit =>
  ({ asm, module }) => {
    asm.globalGet(module.arena);
    asm.mem(OP.i64Load32U, offset);
  };

/** A string in the arena's header. */
const arenaText =
  (offset: number): Emit =>
  (code) =>
    code.arenaAddress(offset);

/** Nothing of the kind exists here; the variable does, so that scripts compile. */
const nothing: Emit = ({ asm }) => asm.i64(0, 0);

const onStack =
  (user: boolean, name: 'caller' | 'stackDepth'): Emit =>
  (code) => {
    code.asm.i32(user ? 1 : 0);
    code.call(name);
  };

/** A part of the probe's description. */
const probePart =
  (field: number, ofOne: (code: Code) => string): Emit =>
  (code) => {
    const { asm, module, probes } = code;
    if (probes.length === 1) {
      code.arenaAddress(module.text(ofOne(code)));
      return;
    }
    asm.globalGet(module.arena);
    pushProbeRecord(code);
    asm.mem(OP.i32Load, field);
    asm.op(OP.i32Add);
    code.toAddress();
  };

/** Pushes the place (i32) of the description of the probe that fired. */
function pushProbeRecord({ asm, module }: Code): void {
  asm.globalGet(module.arena);
  asm.get(PARAMETER.PROBE);
  asm.op(OP.i32Add);
}

const BUILTINS: Readonly<Record<string, Emit>> = {
  timestamp: clock,
  vtimestamp: ({ asm }) => {
    asm.get(PARAMETER.CPU);
    asm.mem(OP.i64Load, offsetOf('ICOUNT'));
  },
  walltimestamp: (code) => {
    clock(code);
    code.asm.globalGet(code.module.arena);
    code.asm.mem(OP.i64Load, ARENA.EPOCH);
    code.asm.op(OP.i64Add);
  },
  epid: ({ asm }) => {
    asm.get(PARAMETER.EPID);
    asm.op(OP.i64ExtendI32U);
  },
  id: (code) => {
    const { asm, probes } = code;
    if (probes.length === 1) {
      asm.i64(probes[0]?.id ?? 0);
      return;
    }
    pushProbeRecord(code);
    asm.mem(OP.i64Load32U, PROBE_RECORD.ID);
  },
  probeprov: probePart(PROBE_RECORD.PROVIDER, (code) => code.probes[0]?.provider ?? ''),
  probemod: probePart(PROBE_RECORD.MODULE, (code) => code.probes[0]?.module ?? ''),
  probefunc: probePart(PROBE_RECORD.FUNCTION, (code) => code.probes[0]?.func ?? ''),
  probename: probePart(PROBE_RECORD.NAME, (code) => code.probes[0]?.name ?? ''),
  cpu: (code) => {
    code.cpuIndex();
    code.asm.op(OP.i64ExtendI32U);
  },
  // Threads count from 1.
  tid: (code) => {
    code.cpuIndex();
    code.asm.op(OP.i64ExtendI32U);
    code.asm.i64(1);
    code.asm.op(OP.i64Add);
  },
  pid: arenaWord(ARENA.PID),
  vmid: arenaWord(ARENA.VMID),
  execname: arenaText(ARENA.EXECNAME),
  vmname: arenaText(ARENA.VMNAME),
  zonename: arenaText(ARENA.ZONENAME),
  caller: onStack(false, 'caller'),
  ucaller: onStack(true, 'caller'),
  stackdepth: onStack(false, 'stackDepth'),
  ustackdepth: onStack(true, 'stackDepth'),
  errno: nothing,
  ppid: nothing,
  uid: nothing,
  gid: nothing,
  ipl: nothing,
};

/** Pushes the value of a built-in variable. */
export function builtin(code: Code, name: string): void {
  const argument = /^arg([0-9])$/.exec(name);
  if (argument !== null) {
    pushArgument(code, Number(argument[1]));
    return;
  }
  const emit = BUILTINS[name];
  if (emit === undefined) throw new Error(`codegen: no built-in variable ${name}`);
  emit(code);
}

/** The names that `builtin` knows. */
export const BUILTIN_NAMES: readonly string[] = [...Object.keys(BUILTINS), ...Array.from({ length: 10 }, (_, n) => `arg${n}`)];
