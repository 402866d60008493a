/**
 * Why a program was not enabled, in the words of dtrace(1M), without the command's name in front.
 *
 * @module
 */
import { isSet } from '../options.ts';
import { CompileError, message } from '../d/error.ts';
import { EnableError } from '../engine/programs.ts';
import { TooManyProbes } from '../engine/slots.ts';
import type { TraceRequest } from './request.ts';
import { TraceError } from './trace-error.ts';

/** Throws the error again when it is none of those that a program can be the cause of. */
export function refusalText(error: unknown, request: TraceRequest): string {
  if (error instanceof CompileError) {
    const source = request.sources[error.source] ?? { form: 'script' as const, name: '' };
    const whole = message(error, source, { command: '', errtags: isSet(request.options, 'errtags') });
    // After the command's name, which is nobody's here.
    return whole.slice(': '.length);
  }
  if (error instanceof TraceError) return error.message;
  if (error instanceof EnableError || error instanceof TooManyProbes) return `could not enable tracing: ${error.message}`;
  throw error;
}
