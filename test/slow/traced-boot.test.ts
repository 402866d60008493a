/**
 * A boot of Linux that is traced is the boot that is not: instructions, exits with their times, their hash, the console. And its trace is complete.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { type LucidReport, runLucid } from '../bench/engines.ts';
import { reference, WITHOUT_TESTS } from './reference.ts';

/** What the guest did; how the engine went about it (where it stopped for a sample) is not the guest's. */
function guestPart({ host: _, engine: __, ...rest }: LucidReport): object {
  return rest;
}

const PROGRAM = `
  sdt::: { @[probename] = count(); }
  kvm-vexit { n++; printf("%d %s %x\\n", timestamp, strexitno[arg1], arg0); self->t = timestamp; }
  kvm-guest-entry /self->t/ { @q = quantize(timestamp - self->t); }
  profile-997 { @k[stack(4), vmregs[VMX_GUEST_CR3]] = count(); }
  tick-1ms { printf("stack %x\\n", *(uint64_t *)vmregs[VMX_GUEST_RSP]); }
  END { printf("exits %d\\n", n); }`;

const linux = await reference();

(linux === undefined ? test.skip : test)('a boot with every static point, samples and stacks is the boot without', () => {
  const image = { ...(linux as NonNullable<typeof linux>).image, append: WITHOUT_TESTS };
  const plain = runLucid(image);
  const folder = mkdtempSync(join(tmpdir(), 'lucid-traced-'));
  try {
    const file = join(folder, 'trace');
    const traced = runLucid(image, ['-o', file, '-x', 'bufsize=64k', '-qn', PROGRAM]);
    assert.equal(guestPart(traced.report), guestPart(plain.report));
    assert.is(traced.console, plain.console);
    const trace = readFileSync(file, 'utf8');
    const exits = Number(/^exits (\d+)$/m.exec(trace)?.[1]);
    assert.is(exits, plain.report.exitsTotal);
    assert.is(trace.match(/^\d+ [A-Z_]+ [0-9a-f]+$/gm)?.length, exits);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test.run();
