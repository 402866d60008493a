import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { bootOkInitramfs, cpio, device, file, folder, link } from '../../../images/linux/initramfs.ts';

interface Read {
  name: string;
  mode: number;
  links: number;
  mtime: number;
  device: [number, number];
  data: string;
}

/** A reader of the newc format, from its description. */
function read(archive: Uint8Array): Read[] {
  const entries: Read[] = [];
  const ascii = (at: number, length: number): string => Buffer.from(archive.subarray(at, at + length)).toString('latin1');
  const up4 = (n: number): number => Math.ceil(n / 4) * 4;
  for (let at = 0; ; ) {
    assert.is(ascii(at, 6), '070701');
    const field = (i: number): number => Number.parseInt(ascii(at + 6 + i * 8, 8), 16);
    const nameBytes = field(11);
    const name = ascii(at + 110, nameBytes - 1);
    assert.is(archive[at + 110 + nameBytes - 1], 0);
    const data = at + up4(110 + nameBytes);
    if (name === 'TRAILER!!!') return entries;
    entries.push({ name, mode: field(1), links: field(4), mtime: field(5), device: [field(9), field(10)], data: ascii(data, field(6)) });
    at = data + up4(field(6));
  }
}

test('files, folders, links and devices are read back as they were given', () => {
  const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
  for (const content of ['', 'x', 'four', 'fives']) {
    const archive = cpio([folder('dev'), device('dev/console', 5, 1), file('dev/f', bytes(content), 0o755), link('l', 'dev/f')]);
    assert.is(archive.length % 512, 0);
    assert.equal(read(archive), [
      { name: 'dev', mode: 0o040755, links: 2, mtime: 0, device: [0, 0], data: '' },
      { name: 'dev/console', mode: 0o020600, links: 1, mtime: 0, device: [5, 1], data: '' },
      { name: 'dev/f', mode: 0o100755, links: 1, mtime: 0, device: [0, 0], data: content },
      { name: 'l', mode: 0o120777, links: 1, mtime: 0, device: [0, 0], data: 'dev/f' },
    ]);
  }
});

test('the reference initramfs holds an executable /init that prints BOOT-OK and powers off', () => {
  const archive = bootOkInitramfs(Uint8Array.of(1, 2, 3));
  const init = read(archive).find((entry) => entry.name === 'init');
  assert.is(init?.mode, 0o100755);
  assert.match(init?.data ?? '', /^#!\/bin\/busybox sh\n.*\necho BOOT-OK\n.*poweroff -f\n$/s);
  assert.equal(Buffer.from(archive), Buffer.from(bootOkInitramfs(Uint8Array.of(1, 2, 3))));
});

test.run();
