/** The ACPI tables as firmware loads them: a loader here does what the script says, and finds what `buildAcpi` puts there itself. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { acpiFiles, LOADER_FILE, RSDP_FILE, TABLES_FILE } from '../../../devices/acpi/loader.ts';
import { buildAcpi } from '../../../devices/acpi/tables.ts';

const COMMAND = 128;
const BASE = 0x7f_0000;
const RSDP_AT = 0xf_5a40;

const nameAt = (bytes: Uint8Array, at: number): string => String.fromCharCode(...bytes.subarray(at, at + 56)).replace(/\0.*$/s, '');
const sum = (bytes: Uint8Array): number => bytes.reduce((s, b) => s + b, 0) & 0xff;

/** Executes the script with the tables at BASE and the RSDP at RSDP_AT. */
function load(files: ReadonlyMap<string, Uint8Array>): { readonly tables: Uint8Array; readonly rsdp: Uint8Array; readonly zones: object } {
  const loaded: Record<string, Uint8Array> = {};
  const places: Record<string, number> = { [TABLES_FILE]: BASE, [RSDP_FILE]: RSDP_AT };
  const zones: Record<string, number[]> = {};
  const script = files.get(LOADER_FILE) as Uint8Array;
  for (let at = 0; at < script.length; at += COMMAND) {
    const view = new DataView(script.buffer, script.byteOffset + at, COMMAND);
    const file = nameAt(script, at + 4);
    const target = loaded[file];
    const word = (offset: number): number => view.getUint32(offset, true);
    if (word(0) === 1) {
      loaded[file] = (files.get(file) as Uint8Array).slice();
      zones[file] = [word(60), view.getUint8(64)];
    } else if (word(0) === 2) {
      const field = new DataView(target.buffer, target.byteOffset + word(116));
      field.setUint32(0, field.getUint32(0, true) + (places[nameAt(script, at + 60)] ?? 0), true);
      assert.ok([4, 8].includes(view.getUint8(120)));
    } else {
      assert.is(word(0), 3);
      target[word(60)] = (target[word(60)] - sum(target.subarray(word(64), word(64) + word(68)))) & 0xff;
    }
  }
  return { tables: loaded[TABLES_FILE], rsdp: loaded[RSDP_FILE], zones };
}

test('loaded by the script, the tables are those that stand there when the board writes them itself', () => {
  const files = acpiFiles({ cpus: 3 });
  const { tables, rsdp, zones } = load(files);
  assert.equal(zones, { [TABLES_FILE]: [64, 1], [RSDP_FILE]: [16, 2] });
  for (const { name, gpa, bytes } of buildAcpi({ cpus: 3, base: BASE }).blocks) {
    if (name !== 'RSDP') assert.equal(tables.slice(gpa - BASE, gpa - BASE + bytes.length), bytes, name);
    else assert.equal(rsdp, bytes);
  }
  assert.is(sum(rsdp.subarray(0, 20)), 0);
  assert.is(sum(rsdp), 0);
});

test.run();
