/**
 * The arrows between the rooms: who may import whom (the table of README's "Where things are"), and what no device may name.
 *
 * Imports are read from the sources with a regular expression over text without comments: good enough for the one style this tree has
 * (static imports, `export ... from`, `import()` of a literal), and a form that it would miss is refused.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';

const root = fileURLToPath(new URL('..', import.meta.url));

interface Room {
  /** Path prefix of its files; the first that fits counts. */
  readonly at: string;
  /** Path prefixes of what it may import besides itself. */
  readonly imports: readonly string[];
  /** May import packages and Node's modules. */
  readonly packages: boolean;
}

/** The rooms, the most particular first. */
const ROOMS: readonly Room[] = [
  { at: 'vmm/cpu/core/', imports: [], packages: false },
  { at: 'vmm/cpu/jit/', imports: ['vmm/cpu/', 'vmm/wasm/', 'probes/points.ts'], packages: false },
  { at: 'vmm/wasm/', imports: [], packages: false },
  { at: 'vmm/cpu/', imports: ['probes/points.ts', 'vmm/exit-reason.ts', 'vmm/bus.ts', 'vmm/wasm/'], packages: true },
  { at: 'vmm/kstat.ts', imports: [], packages: false },
  { at: 'vmm/bus.ts', imports: [], packages: false },
  { at: 'vmm/exit-reason.ts', imports: [], packages: false },
  { at: 'vmm/cli/', imports: ['vmm/', 'devices/', 'probes/', 'images/'], packages: true },
  { at: 'vmm/', imports: ['devices/', 'probes/points.ts'], packages: true },
  { at: 'devices/', imports: ['vmm/bus.ts', 'vmm/kstat.ts', 'probes/points.ts', 'probes/structures.ts'], packages: false },
  { at: 'probes/points.ts', imports: ['probes/structures.ts'], packages: false },
  { at: 'probes/structures.ts', imports: [], packages: false },
  { at: 'probes/', imports: ['vmm/'], packages: true },
  { at: 'images/', imports: [], packages: true },
];

/** Files of `vmm` that nothing below the command line may import. */
const TOP = 'vmm/cli/';

/** Back ends that stand behind a device talk to the host, so they may use Node's modules. */
const BACK_ENDS = [/^devices\/disk\//, /^devices\/net\//, /^devices\/host\//];

function sources(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true })
    .map((name) => `${folder}/${String(name).replaceAll('\\', '/')}`)
    .filter((name) => name.endsWith('.ts') && !name.endsWith('.d.ts') && !name.endsWith('.gen.ts'));
}

/** A source without comments; strings stay, so a quote inside a comment cannot confuse what follows. */
function withoutComments(text: string): string {
  return text.replace(
    /("(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\.)*`)|\/\*[\s\S]*?\*\/|\/\/[^\n]*/g,
    (_, string) => string ?? ' ',
  );
}

/** What a source imports. Throws for an import that is not of a literal. */
export function importsOf(text: string): string[] {
  const code = withoutComments(text);
  const clauses = code.matchAll(/\b(?:import|export)\s+(?:[\w$*{},\s]+?\s*\bfrom\s*)?(['"])([^'"\n]+)\1/g);
  const found = [...clauses].map((m) => m[2] ?? '');
  for (const [, argument] of code.matchAll(/(?<![#.\w])import\s*\(\s*([^)]*)\)/g)) {
    const literal = /^(['"])([^'"]+)\1$/.exec((argument ?? '').trim());
    if (literal?.[2] === undefined) throw new Error(`import(${argument}) is not of a literal`);
    found.push(literal[2]);
  }
  return found;
}

/** The repository's path that an import names; undefined for a package. AssemblyScript imports have no extension. */
function target(file: string, name: string): string | undefined {
  if (!name.startsWith('.')) return undefined;
  const path = relative(root, resolve(root, dirname(file), name)).replaceAll('\\', '/');
  return path.endsWith('.ts') || path.endsWith('.mjs') ? path : `${path}.ts`;
}

/** Why an import is not allowed; undefined when it is. */
export function wrong(file: string, name: string): string | undefined {
  const room = ROOMS.find((r) => file.startsWith(r.at));
  if (room === undefined) return 'is in no room';
  const path = target(file, name);
  if (path === undefined) {
    const allowed = room.packages || BACK_ENDS.some((b) => b.test(file)) || name === 'node:buffer';
    return allowed ? undefined : `imports the package ${name}`;
  }
  if (path.startsWith(TOP) && room.at !== TOP) return `imports ${path}: nothing imports the command line`;
  const home = ROOMS.find((r) => path.startsWith(r.at)) ?? room;
  if (home === room || room.imports.some((prefix) => path.startsWith(prefix))) return undefined;
  // A file of a room may import the leaves that stand in its own folder (vmm/kstat.ts from vmm/vm.ts).
  if (path.startsWith(room.at) && !path.slice(room.at.length).includes('/')) return undefined;
  if (room.at === 'vmm/' && (path.startsWith('vmm/cpu/') || path.startsWith('vmm/wasm/'))) {
    return path.startsWith('vmm/cpu/core/') ? `imports ${path}: the core is compiled` : undefined;
  }
  return `imports ${path}`;
}

for (const folder of ['vmm', 'devices', 'probes', 'images']) {
  test(`imports of ${folder} follow the arrows`, () => {
    const bad: string[] = [];
    for (const file of sources(folder)) {
      for (const name of importsOf(readFileSync(join(root, file), 'utf8'))) {
        const why = wrong(file, name);
        if (why !== undefined) bad.push(`${file} ${why}`);
      }
    }
    assert.equal(bad, []);
  });
}

test('a module that is loaded late is the one whose type is told', () => {
  let seen = 0;
  for (const file of sources('vmm')) {
    for (const [whole, type, url] of readFileSync(join(root, file), 'utf8').matchAll(
      /\blate<typeof import\('([^']+)'\)>\(\s*new URL\('([^']+)'/g,
    )) {
      assert.is(url, type, `${file}: ${whole}`);
      seen++;
    }
  }
  assert.ok(seen > 10);
});

test('the rule sees what it must', () => {
  assert.equal(importsOf("import { a } from './a.ts';\nimport type { B } from \"../b.ts\";\nimport './c.ts';\nexport * from './d.ts';"), [
    './a.ts',
    '../b.ts',
    './c.ts',
    './d.ts',
  ]);
  assert.equal(importsOf("import {\n  a,\n  b,\n} from './long.ts';\n// import { x } from './no.ts'\n/* import './no.ts' */"), [
    './long.ts',
  ]);
  assert.equal(importsOf("const m = await import('./late.ts');"), ['./late.ts']);
  assert.throws(() => importsOf('await import(name);'), /literal/);
  assert.is(wrong('devices/pit.ts', '../vmm/bus.ts'), undefined);
  assert.ok(wrong('devices/pit.ts', './pic.ts') === undefined, 'one room: which devices name each other is the next test');
  assert.match(wrong('devices/pit.ts', '../vmm/vm.ts') ?? '', /vmm\/vm\.ts/);
  assert.match(wrong('devices/pit.ts', 'node:fs') ?? '', /package/);
  assert.match(wrong('vmm/wasm/asm.ts', '../cpu/layout.ts') ?? '', /layout/);
  assert.match(wrong('vmm/machine.ts', './cli/run.ts') ?? '', /command line/);
  assert.is(wrong('vmm/kvm-kstats.ts', './kstat.ts'), undefined);
  assert.is(wrong('vmm/kvm-kstats.ts', './cpu/layout.ts'), undefined);
  assert.match(wrong('probes/points.ts', '../vmm/kstat.ts') ?? '', /kstat/);
});

/** Files of `devices` that several devices share: they model no device of their own. What stands behind disks and NICs is one of them. */
const SHARED_BY_DEVICES: readonly RegExp[] = [/^devices\/(saved|apic-bus|kstat-io|pci|msix)\.ts$/, /^devices\/(disk|net|9p)\//];

/** A device in several files has its name before each of the others': `lapic.ts`, `lapic-timer.ts`. */
function device(path: string): string {
  return basename(path, '.ts').split('-')[0] ?? '';
}

// A device in a folder (`devices/virtio/blk.ts`) may import the files of its folder.
test('a device never names another device', () => {
  const bad: string[] = [];
  for (const file of sources('devices')) {
    for (const name of importsOf(readFileSync(join(root, file), 'utf8'))) {
      const path = target(file, name);
      if (path === undefined || !path.startsWith('devices/') || device(path) === device(file)) continue;
      const sameFolder = dirname(path) === dirname(file) && dirname(file) !== 'devices';
      if (!sameFolder && !SHARED_BY_DEVICES.some((shared) => shared.test(path))) bad.push(`${file} imports ${path}`);
    }
  }
  assert.equal(bad, []);
});

test('no device asks the host for time or chance', () => {
  const bad: string[] = [];
  for (const file of sources('devices')) {
    const code = withoutComments(readFileSync(join(root, file), 'utf8'));
    const found = /\b(Math\.random|Date\b|performance\.|setTimeout|setInterval|setImmediate|queueMicrotask|Promise\b|async |await )/.exec(
      code,
    );
    if (found !== null && !BACK_ENDS.some((b) => b.test(file))) bad.push(`${file}: ${found[1]}`);
  }
  assert.equal(bad, []);
});

test.run();
