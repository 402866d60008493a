/** Snapshots in files: a machine goes on from one as if nothing had been, and no other file is taken for one. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { StateError } from '../../vmm/bus.ts';
import { openDisk } from '../../vmm/disks.ts';
import { Machine } from '../../vmm/machine.ts';
import { reportOf } from '../../vmm/report.ts';
import { boardOf, restoreMachine, saveMachine } from '../../vmm/saved-machine.ts';
import { readSnapshot } from '../../vmm/snapshot-file.ts';
import type { RunOptions } from '../../vmm/worker-messages.ts';
import { builtinGuest } from './guests.ts';

const folder = mkdtempSync(join(tmpdir(), 'lucid-snapshot-'));
test.after(() => rmSync(folder, { recursive: true }));
const at = (name: string): string => join(folder, name);

const OPTIONS = { name: 'guest', memory: 16 * 1048576, cpu: 'v2', seed: 7 } as unknown as RunOptions;

function machine(options: RunOptions = OPTIONS): { machine: Machine; text(): string } {
  let text = '';
  const m = Machine.createSync({
    ...options,
    disks: options.disks?.map(openDisk),
    load: () => ({ kernel: builtinGuest(), kernelName: 'guest' }),
    output: (byte) => {
      text += String.fromCharCode(byte);
    },
  });
  return { machine: m, text: () => text };
}

function booted(options?: RunOptions): ReturnType<typeof machine> {
  const m = machine(options);
  assert.ok(m.machine.boot().ok);
  return m;
}

const WHERE = 3_000_000;

test('a machine that was restored from a file goes on as the one that was saved', () => {
  const whole = booted();
  whole.machine.run({ insns: WHERE });
  const before = whole.text().length;
  const path = at('going-on');
  const bytes = saveMachine(path, whole.machine.vm, OPTIONS);
  assert.is(statSync(path).size, bytes);
  const again = machine({ ...OPTIONS, ...boardOf(path) });
  restoreMachine(path, again.machine.vm);
  for (const m of [whole, again]) assert.equal(m.machine.run(), { kind: 'power-off' });
  assert.is(again.text(), whole.text().slice(before));
  assert.equal(reportOf(again.machine.vm).exits, reportOf(whole.machine.vm).exits);
  assert.is(reportOf(again.machine.vm).exitHash, reportOf(whole.machine.vm).exitHash);
  assert.is(reportOf(again.machine.vm).instructions, reportOf(whole.machine.vm).instructions);
});

test('the file is smaller than the memory that the guest has touched', () => {
  const m = booted();
  m.machine.run({ insns: WHERE });
  const bytes = saveMachine(at('small'), m.machine.vm, OPTIONS);
  assert.ok(bytes < 1.2 * 4096 * reportOf(m.machine.vm).pagesTouched, `${bytes} bytes`);
});

test('the same machine saved twice gives the same bytes, and leaves no other file', () => {
  const m = booted();
  m.machine.run({ insns: 100_000 });
  const place = mkdtempSync(join(folder, 'twice-'));
  saveMachine(join(place, 'a'), m.machine.vm, OPTIONS);
  saveMachine(join(place, 'b'), m.machine.vm, OPTIONS);
  saveMachine(join(place, 'b'), m.machine.vm, OPTIONS);
  assert.ok(readFileSync(join(place, 'a')).equals(readFileSync(join(place, 'b'))));
  assert.equal(readdirSync(place), ['a', 'b']);
  assert.throws(() => saveMachine(join(place, 'none', 'c'), m.machine.vm, OPTIONS), /ENOENT/);
});

test('a file that is cut, changed or another one is refused in words', () => {
  const m = booted();
  m.machine.run({ insns: 50_000 });
  const path = at('damaged');
  saveMachine(path, m.machine.vm, OPTIONS);
  const good = readFileSync(path);
  const refused = (bytes: Uint8Array): string => {
    writeFileSync(path, bytes);
    try {
      readSnapshot(path);
    } catch (error) {
      assert.instance(error, StateError);
      return (error as Error).message;
    }
    return '';
  };
  for (let i = 0; i < 60; i++) {
    const cut = Math.floor((good.length * i) / 60);
    assert.match(refused(good.subarray(0, cut)), /cut off|not a snapshot/, `${cut} bytes`);
    const changed = Uint8Array.from(good);
    changed[Math.min(cut + 17, good.length - 1)] = (good[Math.min(cut + 17, good.length - 1)] as number) ^ (1 << (i % 8));
    assert.is.not(refused(changed), '', `byte ${cut + 17}`);
  }
  assert.match(refused(Buffer.concat([good, Buffer.from('x')])), /behind its end|damaged/);
  assert.match(refused(Buffer.from('lucid snapshot 9 and more, so that it is long enough for a digest')), /another version/);
  assert.match(refused(Buffer.from('#!/bin/sh\necho this is something else altogether, is it not?\n')), /not a snapshot/);
  assert.is(refused(good), '');
});

test('a machine of another shape does not take it', () => {
  const m = booted();
  m.machine.run({ insns: 50_000 });
  const path = at('shape');
  saveMachine(path, m.machine.vm, OPTIONS);
  assert.throws(() => restoreMachine(path, machine({ ...OPTIONS, memory: 8 * 1048576 }).machine.vm), /RAM/);
  assert.throws(() => restoreMachine(path, machine({ ...OPTIONS, cpus: 2 }).machine.vm), /vCPUs/);
});

test('a disk must be as it was; what a disk in memory holds is in the file', () => {
  const disk = at('disk.img');
  writeFileSync(disk, new Uint8Array(1 << 20).fill(3));
  const options = { ...OPTIONS, disks: [{ path: disk, snapshot: true }] } as RunOptions;
  const m = booted(options);
  const blob = m.machine.vm.blobs.get('disk0');
  assert.ok(blob !== undefined);
  (blob as unknown as { write(offset: number, bytes: Uint8Array): void }).write(70_000, new Uint8Array(600).fill(9));
  const path = at('disks');
  saveMachine(path, m.machine.vm, options);
  const again = machine({ ...options, ...boardOf(path) });
  restoreMachine(path, again.machine.vm);
  const read = new Uint8Array(602);
  (again.machine.vm.blobs.get('disk0') as unknown as { read(offset: number, into: Uint8Array): void }).read(69_999, read);
  assert.equal([read[0], read[1], read[600], read[601]], [3, 9, 9, 3]);
  utimesSync(disk, new Date(), new Date(Date.now() + 5000));
  assert.throws(() => restoreMachine(path, again.machine.vm), /needs the disk .* as it was/);
  rmSync(disk);
  assert.throws(() => restoreMachine(path, again.machine.vm), /cannot be read \(ENOENT\)/);
});

test.run();
