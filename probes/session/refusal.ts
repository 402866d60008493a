/**
 * Why a program was not enabled, in the words of dtrace(1M), without the command's name in front.
 *
 * @module
 */
import { isSet } from '../options.ts';
import { CompileError, message } from '../d/error.ts';
import type { TraceRequest } from './request.ts';
import { TraceError } from './trace-error.ts';

/** Throws the error again when it is none of those that a program can be the cause of. */
export function refusal(error: unknown, request: TraceRequest): TraceError {
  if (error instanceof TraceError) return error;
  if (!(error instanceof CompileError)) throw error;
  const source = request.sources[error.source] ?? { form: 'script' as const, name: '' };
  const whole = message(error, source, { command: '', errtags: isSet(request.options, 'errtags') });
  // After the command's name, which is nobody's here.
  return new TraceError(whole.slice(': '.length));
}
