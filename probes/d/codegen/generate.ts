/**
 * The code generator: a checked program becomes one WebAssembly module and its description.
 *
 * Theory. Each clause is one function, whatever number of probes it is enabled on; each probe has a dispatcher, exported as `p<id>`, that calls the functions of
 * its clauses with their epids. `init` fills the constants in and tells the runtime of the aggregations. The module imports the VM's memory, the places
 * of its arena and of its variables, and the runtime: plain data are loads and stores at constant offsets from these, so one module serves every VM and
 * every arena. Nothing in it loops, and every access through a pointer is checked by the runtime.
 *
 * @module
 */
import { I32 } from '../../../vmm/wasm/asm.ts';
import { OP } from '../../../vmm/wasm/opcode.ts';
import type { ArenaSizes, CompiledProgram, EffectiveOptions, EpidDescriptor, ProgramDescriptor } from '../../program.ts';
import { numberOf } from '../../options.ts';
import { AGGREGATION, CONSTANTS_OFFSET, RECORD_EXCESS, SPECULATION } from '../../arena-layout.ts';
import type { CheckedProgram, Probe } from '../tree.ts';
import { describeAggregation, introduce } from './aggregate.ts';
import { type ClauseFunction, generateClause } from './clause.ts';
import { type Enabled, dispatch, isError } from './dispatcher.ts';
import { ProgramModule } from './module.ts';
import { type RecordLayout, describeActions, layOutRecord } from './record.ts';
import { align } from './representation.ts';
import { VariableLayout } from './variables.ts';

/** A string needs a byte and its NUL. */
const STRING_BYTES_MIN = 2;
/** Scratch memory: so much, and so many strings. */
const SCRATCH_BYTES = 256 * 1024;
const SCRATCH_STRINGS = 64;
const BUFFER_BYTES = 4 << 20;
const RING_BYTES_MIN = 4096;
/** Of the hash tables of aggregations and of dynamic variables. */
const HASH_BYTES_MIN = 64;

/** The smallest power of two that is not less. */
function powerOfTwo(bytes: number): number {
  return 2 ** Math.ceil(Math.log2(bytes));
}

/** Export of a probe's dispatcher. */
export function dispatcherName(probe: Probe): string {
  return `p${probe.id}`;
}

/** Epids of each clause's probes, from 1, and their descriptions. */
function describeEpids(program: CheckedProgram, layouts: readonly RecordLayout[]): (EpidDescriptor | undefined)[] {
  const epids: (EpidDescriptor | undefined)[] = [undefined];
  program.clauses.forEach((clause, i) => {
    const layout = layouts[i] as RecordLayout;
    const actions = describeActions(clause, layout);
    for (const probe of clause.probes) epids.push({ epid: epids.length, probe, clause: i, bytes: layout.bytes, actions });
  });
  return epids;
}

/** The enabled clauses of each probe, in the order of the program. */
function enabledByProbe(epids: ProgramDescriptor['epids'], clauses: readonly ClauseFunction[]): Map<Probe, Enabled[]> {
  const probes = new Map<number, Probe>();
  const enabled = new Map<Probe, Enabled[]>();
  for (const epid of epids) {
    if (epid === undefined) continue;
    const probe = probes.get(epid.probe.id) ?? epid.probe;
    probes.set(probe.id, probe);
    const list = enabled.get(probe) ?? [];
    enabled.set(probe, list);
    list.push({ clause: clauses[epid.clause] as ClauseFunction, epid: epid.epid });
  }
  return enabled;
}

function generateDispatchers(module: ProgramModule, enabled: ReadonlyMap<Probe, readonly Enabled[]>): void {
  const { builder } = module;
  const handler = builder.declare(builder.type([I32, I32, I32], []));
  const exits = [...enabled.values()].some((list) => list.some(({ clause }) => clause.needs.exits));
  let error = -1;
  for (const [probe, list] of enabled) {
    const func = builder.func(builder.type([I32], []), (asm) => dispatch(asm, { module, handler, exits }, probe, list));
    builder.export(dispatcherName(probe), 'func', func);
    if (isError(probe)) error = func;
  }
  const asm = builder.define(handler);
  asm.get(1);
  asm.get(2);
  asm.call(module.runtime('faulted'));
  asm.if_();
  if (error >= 0) {
    asm.get(0);
    asm.call(error);
  }
  asm.call(module.runtime('recovered'));
  asm.end();
  builder.end();
}

/** `init`: the arena, zeroed but for its header, is made ready: constants in their places, aggregations known to the runtime. */
function generateInit(module: ProgramModule, aggregations: ProgramDescriptor['aggregations'], stringBytes: number): void {
  const { builder } = module;
  const segment = module.constantsSegment();
  const func = builder.func(builder.type([], []), (asm) => {
    asm.globalGet(module.arena);
    asm.i32(aggregations.length);
    asm.i32(module.variables.chunkBytes);
    asm.call(module.runtime('prepare'));
    asm.globalGet(module.arena);
    asm.i32(CONSTANTS_OFFSET);
    asm.op(OP.i32Add);
    asm.i32(0);
    asm.i32(module.constantsBytes);
    asm.memoryInit(segment);
    for (const aggregation of aggregations) {
      introduce({ asm, call: (name) => asm.call(module.runtime(name)) }, aggregation, stringBytes);
    }
  });
  builder.export('init', 'func', func);
}

function memoryOf(
  module: ProgramModule,
  options: EffectiveOptions,
  epids: ProgramDescriptor['epids'],
  aggregations: number,
  stringBytes: number,
): ArenaSizes {
  const buffer = numberOf(options, 'bufsize', BUFFER_BYTES);
  const largest = epids.reduce((most, epid) => Math.max(most, epid?.bytes ?? 0), 0);
  return {
    constants: module.constantsBytes,
    globals: module.variables.globalsBytes,
    locals: module.variables.localsBytes,
    scratch: SCRATCH_BYTES + SCRATCH_STRINGS * stringBytes,
    dynamic: align(numberOf(options, 'dynvarsize', 1 << 20) + HASH_BYTES_MIN, 8),
    // The table of aggregations and the smallest hash table are no elements.
    aggregations: align(numberOf(options, 'aggsize', 4 << 20), 8) + (aggregations + 1) * AGGREGATION.BYTES + HASH_BYTES_MIN,
    speculations: numberOf(options, 'nspec', 1),
    speculationBytes: align(numberOf(options, 'specsize', 32 << 10) + SPECULATION.HEADER, 8),
    // A record and what fills the ring before it must fit.
    buffer: powerOfTwo(Math.max(buffer, 2 * Math.min(largest, buffer + RECORD_EXCESS), RING_BYTES_MIN)),
  };
}

/** Generates a program's code. `options` are those in effect, `#pragma D option` included. */
export function generate(program: CheckedProgram, options: EffectiveOptions): CompiledProgram {
  const stringBytes = Math.max(numberOf(options, 'strsize', 256), STRING_BYTES_MIN);
  const layouts = program.clauses.map((clause) => layOutRecord(clause, stringBytes));
  const staged = layouts.reduce((most, { staged, bytes }) => (staged ? Math.max(most, bytes) : most), 0);
  const variables = new VariableLayout(program.globals, program.selfs, program.locals, stringBytes, staged);
  const module = new ProgramModule(variables);
  const clauses = program.clauses.map((clause, i) => generateClause(module, clause, layouts[i] as RecordLayout));
  const epids = describeEpids(program, layouts);
  generateDispatchers(module, enabledByProbe(epids, clauses));
  const aggregations = program.aggregations.map((aggregation) => describeAggregation(aggregation, stringBytes));
  generateInit(module, aggregations, stringBytes);
  const memory = memoryOf(module, options, epids, aggregations.length, stringBytes);
  return {
    code: module.builder.finish(),
    descriptor: { epids, aggregations, options, destructive: program.destructive, memory },
  };
}
