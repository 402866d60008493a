/**
 * D programs that are asked of a guest: compiled before it starts, or while it stands.
 *
 * @module
 */
import { compile } from '../../../probes/d/compile.ts';
import { CompileError } from '../../../probes/d/error.ts';
import type { CompiledProgram } from '../../../probes/program.ts';
import { ProbeRegistry } from '../../../probes/providers/registry.ts';
import { refusal } from '../../../probes/session/refusal.ts';
import { localEnvironment } from '../../../probes/session/request.ts';
import { NOTHING } from '../dlite-options.ts';
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
