/**
 * `dlite`, compiling in its own process: for the host, for lists, for -e, and to find what files a program needs.
 *
 * @module
 */
import { compile, type Compilation } from '../../probes/d/compile.ts';
import { ProbeRegistry } from '../../probes/providers/registry.ts';
import { refusal } from '../../probes/session/refusal.ts';
import { localEnvironment, recordingEnvironment, type TraceRequest } from '../../probes/session/request.ts';

function asTraceError<T>(request: TraceRequest, act: () => T): T {
  try {
    return act();
  } catch (error) {
    throw refusal(error, request);
  }
}

/** Throws TraceError. */
export function compileHere(request: TraceRequest, registry: ProbeRegistry): Compilation {
  return asTraceError(request, () => compile(request.sources, localEnvironment(request, registry)));
}

/** The request with the files that compiling it reads. Throws TraceError. */
export function withFiles(request: TraceRequest): TraceRequest {
  const { environment, files, directories } = recordingEnvironment(request, new ProbeRegistry());
  asTraceError(request, () => compile(request.sources, environment));
  return { ...request, files, directories };
}
