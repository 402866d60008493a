/**
 * The one-liners of the documentation work: each `dlite ...` or `lucid run ...` line of a fenced block in README.md and docs/ is run as it stands.
 *
 * They trace a VM whose guest does a bit of everything that exits, over and over. Those that would trace until Ctrl-C are interrupted after a moment. What
 * they print is not compared: that they compile, find their probes and end well is what is tested, and that the frequent probes have fired.
 */
import type { ChildProcess } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { hex } from '../vmm/guest.ts';
import { multiboot } from '../vmm/guests.ts';
import { type Ended, LIMIT_MS, oneLiners, runLine, startCommand, unexpected } from './one-liners.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const directory = mkdtempSync(join(tmpdir(), 'lucid-one-liners-'));
const environment = { ...process.env, XDG_RUNTIME_DIR: directory };
const AT_ONCE = 4;

/**
 * Sets up a GDT, an IDT with one gate and the local APIC's timer (periodic, vector 40h), then for ever: CPUID, OUT 80h, IN 71h, CR0 and CR3 read and written,
 * MSR 1A0h read, the APIC's version read, 20,000 times LOOP, HLT. The handler ends the interrupt.
 */
const BUSY = `
  bc 00 00 09 00  0f 01 15 d4 00 10 00  ea 1f 00 10 00 08 00      ; mov esp, 90000h; lgdt [gdtr]; jmp 8:next
  b8 10 00 00 00  8e d8  8e c0  8e d0                             ; mov eax, 16; mov ds, es, ss
  b8 ad 00 10 00  66 a3 00 52 00 00                               ; mov eax, handler; gate 40h of the IDT at 5000h
  66 c7 05 02 52 00 00 08 00  66 c7 05 04 52 00 00 00 8e
  c1 e8 10  66 a3 06 52 00 00  0f 01 1d da 00 10 00               ; lidt [idtr]
  c7 05 f0 00 e0 fe ff 01 00 00  c7 05 e0 03 e0 fe 03 00 00 00    ; spurious vector; divide by 16
  c7 05 20 03 e0 fe 40 00 02 00  c7 05 80 03 e0 fe 50 c3 00 00    ; timer: periodic, 40h; 50000
  fb                                                              ; sti
  31 c0 0f a2  e6 80  66 ba 71 00 ec                              ; again: cpuid; out 80h, al; in al, 71h
  0f 20 c0 0f 22 c0  0f 20 d8 0f 22 d8                            ; cr0, cr3
  b9 a0 01 00 00 0f 32  a1 30 00 e0 fe                            ; rdmsr; mov eax, [fee00030h]
  b9 20 4e 00 00 e2 fe  f4 eb d3                                  ; mov ecx, 20000; loop; hlt; jmp again
  c7 05 b0 00 e0 fe 00 00 00 00 cf                                ; handler: mov [fee000b0h], 0; iret
  00 00 00 00
  00 00 00 00 00 00 00 00  ff ff 00 00 00 9b cf 00  ff ff 00 00 00 93 cf 00
  17 00 bc 00 10 00  ff 07 00 50 00 00`;

let vm: ChildProcess | undefined;

function documentedLines(): string[] {
  const docs = join(root, 'docs');
  const files = [join(root, 'README.md'), ...(existsSync(docs) ? readdirSync(docs).map((name) => join(docs, name)) : [])];
  return [...new Set(files.filter((file) => file.endsWith('.md')).flatMap((file) => oneLiners(readFileSync(file, 'utf8'))))];
}

test('one-liners are found in fenced blocks only, prompts and continued lines included', () => {
  const text = [
    'dlite -l',
    '```sh',
    "$ dlite -n 'BEGIN { exit(0); }'  # a comment",
    'lucid run \\',
    '  -n BEGIN',
    'npm test',
    '```',
    'dlite -V',
  ].join('\n');
  assert.equal(oneLiners(text), ["dlite -n 'BEGIN { exit(0); }'", 'lucid run -n BEGIN']);
});

test('each one-liner of the documentation runs', async () => {
  const kernel = join(directory, 'busy.elf');
  writeFileSync(kernel, multiboot([...hex(BUSY)]));
  const words = ['lucid', 'run', '--kernel', kernel, '--memory', '16M', '--serial', 'null', '--idle', 'pace', '--intercept', 'cr3'];
  vm = startCommand(words, 'ignore', environment);
  for (let ms = 0; ms < LIMIT_MS && !readdirSync(directory, { recursive: true }).some((name) => /sock|\d/.test(String(name))); ms += 50)
    await pause(50);
  const waiting = documentedLines();
  assert.ok(waiting.length > 0, 'no one-liners');
  const ended: Ended[] = [];
  const work = async (): Promise<void> => {
    for (let line = waiting.shift(); line !== undefined; line = waiting.shift()) ended.push(await runLine(line, environment));
  };
  await Promise.all(Array.from({ length: AT_ONCE }, work));
  const wrong = ended.filter(({ line, status, err }) => status !== 0 || /error|failed|invalid|drop/i.test(unexpected(line, err)));
  assert.equal(wrong, []);
  const silent = ended.filter(
    ({ line, out }) => /'kvm-(vexit|guest-entry|cpuid|cr|pio|eoi|apic-read) \{ @/.test(line) && out.trim() === '',
  );
  assert.equal(silent, []);
});

test.after(() => {
  vm?.kill('SIGKILL');
  rmSync(directory, { recursive: true });
});
test.run();
