/**
 * D programs of a file of expectations: compiled before the guest starts, enabled from its first instruction to its last, and what their
 * aggregations hold at the end.
 *
 * @module
 */
import { compile } from '../../../probes/d/compile.ts';
import { CompileError } from '../../../probes/d/error.ts';
import type { CompiledProgram } from '../../../probes/program.ts';
import { ProbeRegistry } from '../../../probes/providers/registry.ts';
import { Conductor } from '../../../probes/session/conductor.ts';
import { PrintedOutput } from '../../../probes/session/printed-output.ts';
import { runProgram } from '../../../probes/session/program.ts';
import { refusal } from '../../../probes/session/refusal.ts';
import { localEnvironment } from '../../../probes/session/request.ts';
import { TraceError } from '../../../probes/session/trace-error.ts';
import type { VmTraceHost } from '../../../probes/session/vm-host.ts';
import { NOTHING } from '../dlite-options.ts';
import { UsageError } from '../options.ts';
import type { InlineTrace } from '../session.ts';
import { traceRequest } from '../trace-request.ts';

/** A program that cannot be; `line` counts from its first. */
export class DError extends Error {
  override readonly name = 'DError';
  readonly line: number;

  constructor(message: string, line: number) {
    super(message);
    this.line = line;
  }
}

/** Throws DError. */
export function compileD(text: string): CompiledProgram {
  const request = {
    ...traceRequest(NOTHING, { command: 'lucid', wait: true }),
    sources: [{ form: 'script' as const, name: 'the program', text }],
  };
  try {
    const { program, matched } = compile(request.sources, localEnvironment(request, new ProbeRegistry()));
    if (matched.every((probes) => probes === 0)) throw new DError('no probes matched', 1);
    return program;
  } catch (error) {
    if (error instanceof CompileError) throw new DError(error.text, error.line ?? 1);
    if (error instanceof DError) throw error;
    const refused = refusal(error, request);
    throw new DError(refused.message, 1);
  }
}

/** An element of an aggregation: a number, or how many values there were in each bucket, from `least` on. */
export interface AggregationElement {
  readonly key: readonly string[];
  readonly value?: number;
  readonly buckets?: readonly { readonly least: number; readonly count: number }[];
}

/** A line of the output as JSON (`probes/consumer/output.schema.json`), as far as it matters here. */
interface Line {
  readonly type: string;
  readonly message?: string;
  readonly name?: string;
  readonly elements?: readonly {
    readonly key: readonly unknown[];
    readonly value?: unknown;
    readonly buckets?: readonly { readonly least?: unknown; readonly count: unknown }[];
  }[];
  readonly actions?: readonly { readonly aggregations?: readonly Line[] }[];
}

/** One program of a run. */
export class DTrace implements InlineTrace {
  readonly #program: CompiledProgram;
  readonly #pieces: Uint8Array[] = [];
  readonly #ended = Promise.withResolvers<void>();
  #errors = '';

  constructor(program: CompiledProgram) {
    this.#program = program;
  }

  async start(host: VmTraceHost): Promise<void> {
    const conductor = new Conductor(1);
    const drain = { isFull: false, write: (bytes: Uint8Array): void => void this.#pieces.push(bytes.slice()) };
    const errors = (bytes: Uint8Array): void => {
      this.#errors += Buffer.from(bytes).toString();
    };
    const compiled = { program: this.#program, matched: [] };
    const running = await runProgram(host, compiled, conductor.voice(0), { wait: true, interim: false }, () => {}).catch(
      (error: unknown) => {
        throw error instanceof TraceError ? new UsageError(error.message) : error;
      },
    );
    const output = new PrintedOutput(this.#program.descriptor, drain, { command: 'lucid', errors, json: true }, () =>
      this.#ended.resolve(),
    );
    conductor.begin(this.#program.descriptor, [running], output);
  }

  finish(): Promise<void> {
    return this.#ended.promise;
  }

  #lines(): Line[] {
    const lines = Buffer.concat(this.#pieces).toString('utf8').split('\n');
    return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as Line);
  }

  /** What each aggregation held at the end, or when printa() showed it last. */
  aggregations(): Map<string, AggregationElement[]> {
    const found = new Map<string, AggregationElement[]>();
    const keep = ({ name, elements }: Line): void => {
      if (name !== undefined && elements !== undefined) found.set(name, elements.map(elementOf));
    };
    for (const line of this.#lines()) {
      if (line.type === 'aggregation') keep(line);
      for (const { aggregations = [] } of line.actions ?? []) for (const shown of aggregations) if (typeof shown === 'object') keep(shown);
    }
    return found;
  }

  /** Faults of the program, and what was lost of it. */
  troubles(): string[] {
    const told = this.#lines().filter(({ type }) => type === 'error' || type === 'drop');
    const texts = told.map(({ message = '' }) => message.trim());
    return this.#errors === '' ? texts : [...texts, this.#errors.trim()];
  }
}

function elementOf({ key, value, buckets }: NonNullable<Line['elements']>[number]): AggregationElement {
  const keys = key.map((part) => (typeof part === 'object' ? JSON.stringify(part) : String(part)));
  if (buckets === undefined) return { key: keys, value: Number(value) };
  return {
    key: keys,
    buckets: buckets.map(({ least, count }) => ({
      least: least === undefined ? Number.NEGATIVE_INFINITY : Number(least),
      count: Number(count),
    })),
  };
}

/** Several programs of one run. */
export class DTraces implements InlineTrace {
  readonly traces: readonly DTrace[];

  constructor(programs: readonly CompiledProgram[]) {
    this.traces = programs.map((program) => new DTrace(program));
  }

  async start(host: VmTraceHost): Promise<void> {
    await Promise.all(this.traces.map((trace) => trace.start(host)));
  }

  async finish(): Promise<void> {
    await Promise.all(this.traces.map((trace) => trace.finish()));
  }
}
