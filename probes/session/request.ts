/**
 * What a tracer asks for: sources, options and everything else that a compilation needs, as plain data, so that it can be made here or in the
 * process of a VM.
 *
 * That process has another working directory and perhaps sees other files. So a request brings the files along that its preprocessing and its
 * libraries need, as the tracer saw them, and nothing is read over there.
 *
 * @module
 */
import { readdirSync, readFileSync } from 'node:fs';
import type { Environment, Probes, Source } from '../d/environment.ts';

/** Both sides must have the same. */
export const TRACE_VERSION = 1;

export interface TraceRequest {
  readonly version: number;
  readonly sources: readonly Source[];
  /** Options of the command line, by name, their values read. */
  readonly options: Readonly<Record<string, number | string>>;
  readonly macroArguments: readonly string[];
  readonly scriptName?: string;
  /** $target: what -p or -c names. */
  readonly target?: number;
  /** $pid, $uid and so on: of the tracer. */
  readonly macros: Readonly<Record<string, number>>;
  readonly defines: readonly string[];
  readonly undefines: readonly string[];
  readonly includes: readonly string[];
  readonly libraries: readonly string[];
  readonly preprocess: boolean;
  readonly zdefs: boolean;
  readonly destructive: boolean;
  /** Nothing may be lost: the VM waits for its tracer when a buffer is full. */
  readonly wait: boolean;
  /** Files by name, and directories' lists, that a compilation elsewhere is to see. */
  readonly files: Readonly<Record<string, string>>;
  readonly directories: Readonly<Record<string, readonly string[]>>;
}

/** Values of the macro variables that name the tracer's process. */
export function ownMacros(): Record<string, number> {
  const macros: Record<string, number> = { pid: process.pid, ppid: process.ppid };
  const ids = { uid: process.getuid?.(), euid: process.geteuid?.(), gid: process.getgid?.(), egid: process.getegid?.() };
  for (const [name, value] of Object.entries(ids)) if (value !== undefined) macros[name] = value;
  return macros;
}

/** A file's text; undefined when there is none that can be read. */
function readText(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    // The compiler looks in several places.
    return undefined;
  }
}

function listNames(path: string): readonly string[] {
  try {
    return readdirSync(path);
  } catch {
    return [];
  }
}

function environment(request: TraceRequest, probes: Probes): Environment {
  const { macroArguments, scriptName, macros, defines, undefines, includes, libraries, preprocess, zdefs, destructive } = request;
  return {
    probes,
    options: request.options,
    macroArguments,
    scriptName,
    macros,
    target: request.target,
    defines,
    undefines,
    includes,
    libraries,
    preprocess,
    zdefs,
    destructive,
  };
}

/** For a compilation in the tracer's own process: files are those of this process. */
export function localEnvironment(request: TraceRequest, probes: Probes): Environment {
  return { ...environment(request, probes), readFile: readText, listDirectory: listNames };
}

/** What a table has by a name that a program chose. */
function own<T>(table: Readonly<Record<string, T>>, name: string): T | undefined {
  return Object.hasOwn(table, name) ? table[name] : undefined;
}

/** For a compilation elsewhere: only what the request brings. */
export function remoteEnvironment(request: TraceRequest, probes: Probes): Environment {
  return {
    ...environment(request, probes),
    readFile: (path) => own(request.files, path),
    listDirectory: (path) => own(request.directories, path) ?? [],
  };
}

/** True when the compilation looks at files other than the sources. */
export function needsFiles(request: TraceRequest): boolean {
  return request.preprocess || request.libraries.length > 0;
}

/** An environment that notes what files a compilation asks for. */
export function recordingEnvironment(
  request: TraceRequest,
  probes: Probes,
): { readonly environment: Environment; readonly files: Record<string, string>; readonly directories: Record<string, readonly string[]> } {
  const files: Record<string, string> = {};
  const directories: Record<string, readonly string[]> = {};
  const noting: Environment = {
    ...environment(request, probes),
    readFile(path) {
      const text = readText(path);
      if (text !== undefined) files[path] = text;
      return text;
    },
    listDirectory(path) {
      const names = listNames(path);
      directories[path] = names;
      return names;
    },
  };
  return { environment: noting, files, directories };
}

/** Checks what came over a socket. Throws Error. */
export function checkRequest(value: unknown): TraceRequest {
  const request = value as TraceRequest | null;
  if (typeof request !== 'object' || request === null) throw new Error('not a request to trace');
  if (request.version !== TRACE_VERSION) throw new Error('the tracer and this VM are of different versions of Lucid');
  const texts = (list: unknown): boolean => Array.isArray(list) && list.every((item) => typeof item === 'string');
  const { sources, macroArguments, defines, undefines, includes, libraries } = request;
  const sound =
    Array.isArray(sources) &&
    sources.every(({ form, name, text }) => [form, name, text].every((item) => typeof item === 'string')) &&
    [macroArguments, defines, undefines, includes, libraries].every(texts) &&
    [request.options, request.macros, request.files, request.directories].every((item) => typeof item === 'object' && item !== null) &&
    Object.values(request.directories).every(texts);
  if (!sound) throw new Error('not a request to trace');
  return request;
}
