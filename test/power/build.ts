/**
 * Builds a core that has every defect of `defects.ts`, all asleep: one module, in which a number in its static data says which is awake.
 *
 * @module
 */
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ascFlags } from '../../scripts/asc-flags.ts';
import { root } from '../../scripts/core-inputs.mjs';
import { DEFECTS, type Defect } from './defects.ts';

/** Static data that no other part of the module has: before the number of the defect. */
const MARK = Uint8Array.of(0x6c, 0x75, 0x63, 0x69, 0x64, 0x2d, 0x64, 0x65, 0x66, 0x65, 0x63, 0x74);

const SWITCH = `/** Which defect is awake; 0 = none. */
const AWAKE: usize = memory.data<u8>([${[...MARK].join(', ')}, 0, 0, 0, 0]);
// @ts-ignore: decorator
@inline
export function defect(n: u32): bool {
  return load<u32>(AWAKE, ${MARK.length}) == n;
}
`;

/** Puts defect number `n` into a source. Throws when its place is not there, or not one. */
export function seed(source: string, d: Defect, n: number): string {
  const from = d.after === undefined ? 0 : source.indexOf(d.after);
  const at = from < 0 ? -1 : source.indexOf(d.good, from);
  if (at < 0 || (d.after === undefined && source.indexOf(d.good, at + 1) >= 0))
    throw new Error(`defect ${n}, ${d.what}: its place is not in ${d.file}, or not one`);
  const text = d.good.endsWith(';') ? statements(d, n) : `(defect(${n}) ? (${d.bad}) : (${d.good}))`;
  return source.slice(0, at) + text + source.slice(at + d.good.length);
}

/** A declaration stays visible to what follows; anything else is a branch. */
function statements(d: Defect, n: number): string {
  const declared = /^const (\w+)(: \w+)? = (.*);$/s.exec(d.good);
  const worse = /^const \w+(?:: \w+)? = (.*);$/s.exec(d.bad);
  if (declared !== null && worse !== null)
    return `const ${declared[1]}${declared[2] ?? ''} = defect(${n}) ? (${worse[1]}) : (${declared[3]});`;
  return `if (defect(${n})) { ${d.bad} } else { ${d.good} }`;
}

/** Compiles the core with all defects into `folder`; the path of the module. */
export function buildDefective(folder: string): string {
  const core = join(folder, 'core');
  rmSync(core, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  cpSync(join(root, 'vmm/cpu/core'), core, { recursive: true });
  writeFileSync(join(core, 'defect.ts'), SWITCH);
  const touched = new Set<string>();
  DEFECTS.forEach((d, i) => {
    const file = join(core, d.file);
    writeFileSync(file, seed(readFileSync(file, 'utf8'), d, i + 1));
    touched.add(file);
  });
  for (const file of touched) writeFileSync(file, `import { defect } from './defect';\n${readFileSync(file, 'utf8')}`);
  const output = join(folder, 'defective.wasm');
  const asc = join(root, 'node_modules/assemblyscript/bin/asc.js');
  execFileSync(process.execPath, [asc, join(core, 'index.ts'), '-o', output, ...ascFlags('core')], { stdio: ['ignore', 2, 2] });
  return output;
}

/** The module with defect number `n` awake, 0 for none. */
export function awake(module: Uint8Array, n: number): Uint8Array {
  const bytes = Uint8Array.from(module);
  const at = Buffer.from(bytes.buffer).indexOf(MARK);
  if (at < 0) throw new Error('the switch of the defects is not in the module');
  new DataView(bytes.buffer).setUint32(at + MARK.length, n, true);
  return bytes;
}
