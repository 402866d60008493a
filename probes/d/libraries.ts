/**
 * Libraries: files of declarations that every program sees (`-L DIRECTORY`, all its *.d).
 *
 * By the Dynamic Tracing Guide, "Translators", and dtrace(1M). A library that says `#pragma D depends_on library NAME` is read after that one; without
 * dependencies they are read in the order of their names.
 *
 * @module
 */
import type { Environment } from './environment.ts';
import { CompileError } from './error.ts';

export interface Library {
  readonly path: string;
  /** As `depends_on` names it. */
  readonly name: string;
  readonly text: string;
}

const DEPENDS = /^[ \t]*#[ \t]*pragma[ \t]+D[ \t]+depends_on[ \t]+library[ \t]+(\S+)/gm;

/** All libraries, those before others that these depend on. */
export function loadLibraries({ libraries = [], listDirectory, readFile }: Environment): Library[] {
  const found = new Map<string, Library>();
  for (const directory of libraries) {
    for (const name of [...(listDirectory?.(directory) ?? [])].sort()) {
      if (!name.endsWith('.d') || found.has(name)) continue;
      const path = `${directory}/${name}`;
      const text = readFile?.(path);
      if (text !== undefined) found.set(name, { path, name, text });
    }
  }
  return inOrder(found);
}

function inOrder(found: ReadonlyMap<string, Library>): Library[] {
  const ordered = new Set<Library>();
  const visiting = new Set<Library>();
  const visit = (library: Library): void => {
    if (ordered.has(library)) return;
    if (visiting.has(library)) {
      throw new CompileError('D_PRAGMA_DEPEND', `library ${library.name} depends on itself`, { line: 1, file: library.path });
    }
    visiting.add(library);
    for (const [, needed] of library.text.matchAll(DEPENDS)) {
      const other = found.get(needed as string);
      if (other !== undefined) visit(other);
    }
    ordered.add(library);
  };
  for (const library of found.values()) visit(library);
  return [...ordered];
}
