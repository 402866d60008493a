import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type AcpiTables, buildAcpi } from '../../../devices/acpi/tables.ts';
import { GPE0, PM1_CONTROL, PM1_EVENT, PM_BASE, PM_TIMER, SLP_TYP_S5 } from '../../../devices/pm.ts';
import { RESET_PORT, RESET_VALUE } from '../../../devices/reset.ts';
import { CMOS_CENTURY } from '../../../devices/rtc.ts';

const isRangeError = (e: Error) => e instanceof RangeError;
const sum = (bytes: Uint8Array) => bytes.reduce((a, b) => (a + b) & 0xff, 0);
const text = (bytes: Uint8Array, at: number, length: number) => String.fromCharCode(...bytes.subarray(at, at + length));

/** Walks the tables as a guest does: from the RSDP by pointers. */
function walk(acpi: AcpiTables) {
  const find = (gpa: number) => {
    const block = acpi.blocks.find((b) => b.gpa === gpa);
    if (block === undefined) throw new Error(`nothing at ${gpa.toString(16)}`);
    return { ...block, view: new DataView(block.bytes.buffer) };
  };
  const rsdp = find(acpi.rsdpAddress);
  const root = (gpa: number, width: number) => {
    const table = find(gpa);
    return Array.from({ length: (table.bytes.length - 36) / width }, (_, i) => find(table.view.getUint32(36 + i * width, true)));
  };
  const rsdt = root(rsdp.view.getUint32(16, true), 4);
  const xsdt = root(Number(rsdp.view.getBigUint64(24, true)), 8);
  const [fadt, madt] = xsdt;
  return { find, rsdp, rsdt, xsdt, fadt, madt, dsdt: find(fadt.view.getUint32(40, true)), facs: find(fadt.view.getUint32(36, true)) };
}

test('the RSDP is found in the BIOS area and leads to every table, with right lengths and sums', () => {
  const acpi = buildAcpi({ cpus: 2 });
  assert.ok(acpi.rsdpAddress % 16 === 0 && acpi.rsdpAddress >= 0xe_0000 && acpi.end <= 0x10_0000);
  const { rsdp, rsdt, xsdt, dsdt } = walk(acpi);
  assert.is(text(rsdp.bytes, 0, 8), 'RSD PTR ');
  assert.is(sum(rsdp.bytes.subarray(0, 20)), 0);
  assert.is(sum(rsdp.bytes), 0);
  assert.equal(
    xsdt.map((t) => text(t.bytes, 0, 4)),
    ['FACP', 'APIC'],
  );
  assert.equal(
    rsdt.map((t) => t.gpa),
    xsdt.map((t) => t.gpa),
  );
  for (const table of [...xsdt, dsdt]) {
    assert.is(table.view.getUint32(4, true), table.bytes.length);
    assert.is(sum(table.bytes), 0, table.name);
  }
});

test('blocks do not overlap, and the FACS is aligned to 64 bytes', () => {
  const { blocks, end } = buildAcpi({ cpus: 64, base: 0x7ffe_0000 });
  blocks.forEach((block, i) => {
    const next = blocks[i + 1]?.gpa ?? end;
    assert.ok(block.gpa % 64 === 0 && block.gpa + block.bytes.length <= next, block.name);
  });
});

test('the FADT names the ports that the devices have', () => {
  const { fadt, facs, dsdt } = walk(buildAcpi({ cpus: 1 }));
  const { view, bytes } = fadt;
  assert.is(bytes.length, 276);
  assert.is(bytes[8], 6);
  assert.is(text(facs.bytes, 0, 4), 'FACS');
  assert.is(view.getUint16(46, true), 9);
  const blocks: [number, number, number][] = [
    [56, 148, PM_BASE + PM1_EVENT],
    [64, 172, PM_BASE + PM1_CONTROL],
    [76, 208, PM_BASE + PM_TIMER],
    [80, 220, PM_BASE + GPE0],
  ];
  for (const [short, long, port] of blocks) {
    assert.is(view.getUint32(short, true), port);
    assert.equal([bytes[long], view.getBigUint64(long + 4, true)], [1, BigInt(port)]);
  }
  assert.equal([...bytes.subarray(88, 94)], [4, 2, 0, 4, 4, 0]);
  assert.is(bytes[108], CMOS_CENTURY);
  assert.equal([view.getUint32(120, true), bytes[128]], [RESET_PORT, RESET_VALUE]);
  assert.is(
    view.getUint32(112, true) & ((1 << 8) | (1 << 10) | (1 << 20)),
    (1 << 8) | (1 << 10),
    'wide timer, reset register, not hardware-reduced',
  );
  assert.is(view.getUint32(48, true), 0, 'no SMI command: always in ACPI mode');
  assert.is(view.getUint32(140, true), dsdt.gpa);
});

test('a 24-bit timer is told by its flag', () => {
  const { fadt } = walk(buildAcpi({ cpus: 1, pm: { timerBits: 24 } }));
  assert.is(fadt.view.getUint32(112, true) & (1 << 8), 0);
});

test('the MADT lists processors, the IOAPIC, the overrides and the NMI input', () => {
  for (const cpus of [1, 4, 255]) {
    const { madt } = walk(buildAcpi({ cpus }));
    const entries: number[][] = [];
    for (let at = 44; at < madt.bytes.length; at += madt.bytes[at + 1]) entries.push([...madt.bytes.subarray(at, at + madt.bytes[at + 1])]);
    assert.is(madt.view.getUint32(36, true), 0xfee0_0000);
    assert.is(madt.view.getUint32(40, true), 1);
    assert.equal(
      entries.filter((e) => e[0] === 0),
      Array.from({ length: cpus }, (_, i) => [0, 8, i, i, 1, 0, 0, 0]),
    );
    assert.equal(entries.slice(cpus), [
      [1, 12, 0, 0, 0x00, 0x00, 0xc0, 0xfe, 0, 0, 0, 0],
      [2, 10, 0, 0, 2, 0, 0, 0, 0, 0],
      [2, 10, 0, 9, 9, 0, 0, 0, 0x0d, 0],
      [4, 6, 0xff, 0, 0, 1],
    ]);
  }
});

test('the DSDT tells S5 as the PM1 control register takes it', () => {
  const { dsdt } = walk(buildAcpi({ cpus: 1 }));
  const s5 = [0x08, 0x5c, ...Array.from('_S5_', (c) => c.charCodeAt(0)), 0x12, 0x08, 4, 0x0a, SLP_TYP_S5, 0x0a, SLP_TYP_S5, 0, 0];
  assert.equal([...dsdt.bytes.subarray(36, 36 + s5.length)], s5);
});

test('the same options give the same bytes', () => {
  assert.equal(buildAcpi({ cpus: 3 }), buildAcpi({ cpus: 3 }));
});

test('what cannot be told is refused', () => {
  for (const options of [{ cpus: 0 }, { cpus: 256 }, { cpus: 1.5 }, { cpus: 1, base: 100 }, { cpus: 1, base: 0xf_ffc0 }]) {
    assert.throws(() => buildAcpi(options), isRangeError, JSON.stringify(options));
  }
});

const hasIasl = spawnSync('iasl', ['-v']).status === 0;
if (!hasIasl) console.log('skipped: iasl is not installed (Debian: acpica-tools), the DSDT was not disassembled');
(hasIasl ? test : test.skip)('iasl disassembles and recompiles the DSDT without a warning', () => {
  const folder = mkdtempSync(join(tmpdir(), 'lucid-acpi-'));
  try {
    const acpi = buildAcpi({ cpus: 4, pciWindow64: { first: 0x1_8000_0000, last: 0x7f_ffff_ffff } });
    for (const block of acpi.blocks) writeFileSync(join(folder, `${block.name}.dat`), block.bytes);
    const run = (...args: string[]) => {
      const { stdout, stderr, status } = spawnSync('iasl', args, { cwd: folder, encoding: 'utf8' });
      assert.is(status, 0, stdout + stderr);
      return stdout + stderr;
    };
    for (const name of ['FACP', 'APIC', 'XSDT', 'RSDT', 'FACS', 'DSDT'])
      assert.not.match(run('-d', `${name}.dat`), /error|warning|incorrect/i);
    assert.match(run('DSDT.dsl'), /0 Errors, 0 Warnings/);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test.run();
