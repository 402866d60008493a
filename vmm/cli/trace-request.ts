/**
 * From a tracing command line to what a compilation takes: options set, scripts read.
 *
 * @module
 */
import { readFileSync } from 'node:fs';
import type { Source } from '../../probes/d/environment.ts';
import { defaultOptions, isSet, OptionError, type OptionValues, setOption } from '../../probes/options.ts';
import { ownMacros, TRACE_VERSION, type TraceRequest } from '../../probes/session/request.ts';
import { TraceError } from '../../probes/session/trace-error.ts';
import type { TraceArguments } from './dlite-options.ts';
import { systemErrorText } from '../system-error.ts';

function setOptions(settings: TraceArguments['settings']): OptionValues {
  const values = defaultOptions();
  for (const { name, value, shown } of settings) {
    try {
      setOption(values, name, value);
    } catch (error) {
      if (error instanceof OptionError) throw new TraceError(`failed to set ${shown}: ${error.message}`);
      throw error;
    }
  }
  return values;
}

function readSource({ form, text }: TraceArguments['specifiers'][number]): Source {
  if (form !== 'script') return { form, name: text, text };
  try {
    return { form, name: text, text: readFileSync(text, 'utf8') };
  } catch (error) {
    throw new TraceError(`failed to open ${text}: ${systemErrorText(error)}`);
  }
}

/** An option that gathers several values: one to a line. */
function listed(values: OptionValues, name: string): string[] {
  const value = values[name];
  return typeof value === 'string' ? value.split('\n') : [];
}

export interface RequestSurroundings {
  /** What $0 is without a script. */
  readonly command: string;
  /** The VM waits when a buffer is full. */
  readonly wait: boolean;
  readonly target?: number;
}

/** Throws TraceError: an option or a script that cannot be. */
export function traceRequest(args: TraceArguments, { command, wait, target }: RequestSurroundings): TraceRequest {
  const values = setOptions(args.settings);
  const options = Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as TraceRequest['options'];
  const sources = args.specifiers.map(readSource);
  return {
    version: TRACE_VERSION,
    sources,
    options,
    macroArguments: args.arguments,
    scriptName: sources.find(({ form }) => form === 'script')?.name ?? command,
    target,
    macros: ownMacros(),
    defines: [...args.defines, ...listed(values, 'define')],
    undefines: [...args.undefines, ...listed(values, 'undef')],
    includes: [...args.includes, ...listed(values, 'incdir')],
    libraries: [...args.libraries, ...listed(values, 'libdir')],
    preprocess: args.preprocess || isSet(values, 'cpp'),
    zdefs: args.zeroMatches || isSet(values, 'zdefs'),
    destructive: isSet(values, 'destructive'),
    wait,
    files: {},
    directories: {},
  };
}

/** A source's name for the user: a specifier ends where its clause begins. */
export function shownName({ form, name }: Source): string {
  return form === 'script' ? name : (name.split(/[{/;]/, 1)[0] ?? '');
}

/** What is told of a source unless all is quiet: `description 'BEGIN' matched 1 probe`. */
export function matchedText(source: Source, probes: number): string {
  return `${source.form === 'script' ? 'script' : 'description'} '${shownName(source)}' matched ${probes} probe${probes === 1 ? '' : 's'}`;
}
