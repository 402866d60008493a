/**
 * Builds a WebAssembly module in the binary format (core specification 2.0, section 5.5).
 *
 * Order of use: imports, then declarations and definitions of functions in any order (a function may be called before it is defined), then
 * `finish`. One function is open at a time; its `Asm` is the module's own and used again for the next. `reset` keeps the buffers for the
 * next module, so a translator that makes thousands of them allocates little.
 *
 * Leaves out: exceptions, several memories, 64-bit memories, element expressions, the start function of a module.
 *
 * @module
 */
import { Asm, type EXTERNREF, FUNCREF, type ValueType } from './asm.ts';
import { Writer, u32Length } from './writer.ts';

/** Kinds of imports and exports. */
export const KIND = { func: 0, table: 1, memory: 2, global: 3 } as const;
export type Kind = keyof typeof KIND;

/** Sizes of a table (elements) or a memory (pages of 64 KB). */
export interface Limits {
  readonly initial: number;
  readonly maximum?: number;
  /** A shared memory needs a maximum. */
  readonly shared?: boolean;
}

interface FunctionEntry {
  readonly type: number;
  /** Place of its entry in the code buffer; -1 until it is defined. */
  from: number;
  to: number;
  /** The same of its branch hints. */
  hintsFrom: number;
  hintsTo: number;
}

interface TypeEntry {
  readonly key: string;
  readonly params: readonly ValueType[];
}

const SECTION = {
  custom: 0,
  type: 1,
  import: 2,
  function: 3,
  table: 4,
  memory: 5,
  global: 6,
  export: 7,
  element: 9,
  code: 10,
  data: 11,
  dataCount: 12,
};

/** A section in the making: its entries and how many. */
class Entries {
  readonly writer = new Writer(256);
  count = 0;

  clear(): void {
    this.writer.clear();
    this.count = 0;
  }
}

/** A module in the making. */
export class ModuleBuilder {
  readonly #types = new Entries();
  readonly #imports = new Entries();
  readonly #tables = new Entries();
  readonly #memories = new Entries();
  readonly #globals = new Entries();
  readonly #exports = new Entries();
  readonly #elements = new Entries();
  readonly #data = new Entries();
  readonly #hints = new Writer(256);
  readonly #code = new Writer(65536);
  readonly #section = new Writer(65536);
  readonly #asm = new Asm();
  #typeList: TypeEntry[] = [];
  #functions: FunctionEntry[] = [];
  #importedFunctions = 0;
  #importedGlobals = 0;
  #importedTables = 0;
  #open = -1;

  /** Forgets everything but the buffers. */
  reset(): void {
    const sections = [this.#types, this.#imports, this.#tables, this.#memories, this.#globals];
    for (const entries of [...sections, this.#exports, this.#elements, this.#data]) entries.clear();
    this.#hints.clear();
    this.#code.clear();
    this.#typeList = [];
    this.#functions = [];
    this.#importedFunctions = 0;
    this.#importedGlobals = 0;
    this.#importedTables = 0;
    this.#open = -1;
  }

  /** Index of a function type; the same one for the same types. */
  type(params: readonly ValueType[], results: readonly ValueType[]): number {
    const key = `${params.join()}>${results.join()}`;
    const known = this.#typeList.findIndex((entry) => entry.key === key);
    if (known >= 0) return known;
    const { writer } = this.#types;
    writer.byte(0x60);
    writer.u32(params.length);
    for (const type of params) writer.byte(type);
    writer.u32(results.length);
    for (const type of results) writer.byte(type);
    this.#types.count++;
    return this.#typeList.push({ key, params: [...params] }) - 1;
  }

  #import(module: string, name: string, kind: Kind): Writer {
    const { writer } = this.#imports;
    writer.name(module);
    writer.name(name);
    writer.byte(KIND[kind]);
    this.#imports.count++;
    return writer;
  }

  /** Returns the function's index. Throws when a function was declared before: imports have the first indices. */
  importFunction(module: string, name: string, type: number): number {
    if (this.#functions.length > 0) throw new Error('wasm: import of a function after the first declaration');
    this.#import(module, name, 'func').u32(type);
    return this.#importedFunctions++;
  }

  importMemory(module: string, name: string, limits: Limits): void {
    writeLimits(this.#import(module, name, 'memory'), limits);
  }

  importTable(module: string, name: string, limits: Limits): number {
    const writer = this.#import(module, name, 'table');
    writer.byte(FUNCREF);
    writeLimits(writer, limits);
    return this.#importedTables++;
  }

  importGlobal(module: string, name: string, type: ValueType, mutable: boolean): number {
    if (this.#globals.count > 0) throw new Error('wasm: import of a global after the first definition');
    const writer = this.#import(module, name, 'global');
    writer.byte(type);
    writer.byte(mutable ? 1 : 0);
    return this.#importedGlobals++;
  }

  table(limits: Limits, type: typeof FUNCREF | typeof EXTERNREF = FUNCREF): number {
    this.#tables.writer.byte(type);
    writeLimits(this.#tables.writer, limits);
    return this.#importedTables + this.#tables.count++;
  }

  memory(limits: Limits): void {
    writeLimits(this.#memories.writer, limits);
    this.#memories.count++;
  }

  /** A global with its initial value as an instruction: `(asm) => asm.i32(7)`. */
  global(type: ValueType, mutable: boolean, initial: (asm: Asm) => void): number {
    this.#globals.writer.byte(type);
    this.#globals.writer.byte(mutable ? 1 : 0);
    this.#expression(this.#globals.writer, initial);
    return this.#importedGlobals + this.#globals.count++;
  }

  #expression(into: Writer, write: (asm: Asm) => void): void {
    if (this.#open >= 0) throw new Error('wasm: a function is open');
    this.#asm.start([]);
    write(this.#asm);
    this.#asm.finish();
    into.append(this.#asm.code.bytes, 0, this.#asm.code.length);
  }

  /** Index of a function that will be defined later. */
  declare(type: number): number {
    return this.#importedFunctions + this.#functions.push({ type, from: -1, to: -1, hintsFrom: 0, hintsTo: 0 }) - 1;
  }

  /** Opens a declared function; write its body, then `end`. Its parameters are the first locals. */
  define(func: number): Asm {
    const entry = this.#functions[func - this.#importedFunctions];
    if (entry === undefined) throw new Error(`wasm: function ${func} was not declared`);
    if (entry.from >= 0) throw new Error(`wasm: function ${func} is defined already`);
    if (this.#open >= 0) throw new Error('wasm: a function is open');
    this.#open = func;
    this.#asm.start((this.#typeList[entry.type] as TypeEntry).params);
    return this.#asm;
  }

  /** Ends the open function and returns its index. */
  end(): number {
    const func = this.#open;
    const entry = this.#functions[func - this.#importedFunctions];
    if (entry === undefined) throw new Error('wasm: no function is open');
    this.#asm.finish();
    entry.from = this.#code.length;
    this.#asm.write(this.#code);
    entry.to = this.#code.length;
    entry.hintsFrom = this.#hints.length;
    this.#asm.writeHints(func, this.#hints);
    entry.hintsTo = this.#hints.length;
    this.#open = -1;
    return func;
  }

  /** Declares and defines a function at once; returns its index. */
  func(type: number, body: (asm: Asm) => void): number {
    const func = this.declare(type);
    body(this.define(func));
    return this.end();
  }

  export(name: string, kind: Kind, index = 0): void {
    this.#exports.writer.name(name);
    this.#exports.writer.byte(KIND[kind]);
    this.#exports.writer.u32(index);
    this.#exports.count++;
  }

  /** Fills table 0 from element `offset` on, at instantiation. */
  elements(offset: number, funcs: readonly number[]): void {
    const { writer } = this.#elements;
    writer.u32(0);
    this.#expression(writer, (asm) => asm.i32(offset));
    writer.u32(funcs.length);
    for (const func of funcs) writer.u32(func);
    this.#elements.count++;
  }

  /** Names functions that `ref.func` uses and nothing else mentions. */
  declareReferences(funcs: readonly number[]): void {
    const { writer } = this.#elements;
    writer.u32(3);
    writer.byte(0);
    writer.u32(funcs.length);
    for (const func of funcs) writer.u32(func);
    this.#elements.count++;
  }

  /** Bytes that instantiation copies to an address of the memory. Returns the segment's index. */
  data(address: number, bytes: Uint8Array): number {
    const { writer } = this.#data;
    writer.u32(0);
    this.#expression(writer, (asm) => asm.i32(address));
    writer.u32(bytes.length);
    writer.append(bytes);
    return this.#data.count++;
  }

  /** Bytes for `memory.init`. Returns the segment's index. */
  passiveData(bytes: Uint8Array): number {
    const { writer } = this.#data;
    writer.u32(1);
    writer.u32(bytes.length);
    writer.append(bytes);
    return this.#data.count++;
  }

  /** The module's bytes. Throws when a declared function was not defined. */
  finish(): Uint8Array<ArrayBuffer> {
    if (this.#open >= 0) throw new Error('wasm: a function is open');
    const out = new Writer(256 + this.#code.length + this.#data.writer.length);
    out.append(MAGIC);
    writeSection(out, SECTION.type, this.#types);
    writeSection(out, SECTION.import, this.#imports);
    this.#writeFunctions(out);
    writeSection(out, SECTION.table, this.#tables);
    writeSection(out, SECTION.memory, this.#memories);
    writeSection(out, SECTION.global, this.#globals);
    writeSection(out, SECTION.export, this.#exports);
    writeSection(out, SECTION.element, this.#elements);
    this.#writeDataCount(out);
    this.#writeHints(out);
    this.#writeCode(out);
    writeSection(out, SECTION.data, this.#data);
    return out.take();
  }

  #writeFunctions(out: Writer): void {
    if (this.#functions.length === 0) return;
    this.#section.clear();
    this.#section.u32(this.#functions.length);
    for (const entry of this.#functions) this.#section.u32(entry.type);
    writeBytes(out, SECTION.function, this.#section);
  }

  /** memory.init is valid only after a data count. */
  #writeDataCount(out: Writer): void {
    if (this.#data.count === 0) return;
    this.#section.clear();
    this.#section.u32(this.#data.count);
    writeBytes(out, SECTION.dataCount, this.#section);
  }

  /** The branch hints stand in a custom section before the code, functions by index. */
  #writeHints(out: Writer): void {
    const hinted = this.#functions.filter((entry) => entry.hintsTo > entry.hintsFrom);
    if (hinted.length === 0) return;
    this.#section.clear();
    this.#section.name('metadata.code.branch_hint');
    this.#section.u32(hinted.length);
    for (const entry of hinted) this.#section.append(this.#hints.bytes, entry.hintsFrom, entry.hintsTo);
    writeBytes(out, SECTION.custom, this.#section);
  }

  #writeCode(out: Writer): void {
    if (this.#functions.length === 0) return;
    this.#section.clear();
    this.#section.u32(this.#functions.length);
    this.#functions.forEach((entry, index) => {
      if (entry.from < 0) throw new Error(`wasm: function ${this.#importedFunctions + index} is declared but not defined`);
      this.#section.append(this.#code.bytes, entry.from, entry.to);
    });
    writeBytes(out, SECTION.code, this.#section);
  }
}

/** `\0asm`, version 1. */
const MAGIC = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0);

function writeLimits(into: Writer, limits: Limits): void {
  if (limits.shared && limits.maximum === undefined) throw new Error('wasm: a shared memory needs a maximum');
  into.byte((limits.maximum === undefined ? 0 : 1) | (limits.shared ? 2 : 0));
  into.u32(limits.initial);
  if (limits.maximum !== undefined) into.u32(limits.maximum);
}

function writeBytes(out: Writer, id: number, bytes: Writer): void {
  out.byte(id);
  out.u32(bytes.length);
  out.append(bytes.bytes, 0, bytes.length);
}

function writeSection(out: Writer, id: number, entries: Entries): void {
  if (entries.count === 0) return;
  out.byte(id);
  out.u32(u32Length(entries.count) + entries.writer.length);
  out.u32(entries.count);
  out.append(entries.writer.bytes, 0, entries.writer.length);
}
