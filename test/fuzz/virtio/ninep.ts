/**
 * 9P messages for the fuzzer: a share of a few files, requests of every type by a client that has a few fids, and a look whether anything outside the share
 * was changed or came in.
 *
 * @module
 */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { T } from '../../../devices/9p/messages.ts';
import { NinePServer } from '../../../devices/9p/server.ts';
import { openShare } from '../../../devices/host/share.ts';
import { Virtio9p } from '../../../devices/virtio/9p.ts';
import { Client } from '../../devices/9p-client.ts';
import type { FakeClock } from '../../devices/fake.ts';
import type { Buffer } from '../../devices/virtio/board.ts';
import { BUFFERS_AT, Finding, type GuardedMemory } from './guarded.ts';
import type { Random, Target } from './targets.ts';

const SECRET = 'SECRET-BYTES';
const ANSWER_AT = BUFFERS_AT + 0x800;
const NAMES = ['a', 'b', 'c', 'out', '..', '.', 'dir', 'dir/x', '', '../secret', 'l\0', 'x'.repeat(300)];
const TYPES = Object.values(T);

let base: string | undefined;

/** The folder around the share: made once, gone with the process. */
function around(): string {
  if (base === undefined) {
    // In memory where there is such a place: fsync on a disk takes its time.
    const made = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'lucid-9p-fuzz-'));
    base = made;
    process.on('exit', () => rmSync(made, { recursive: true, force: true }));
    writeFileSync(join(made, 'secret'), SECRET);
    mkdirSync(join(made, 'share'));
  }
  return base;
}

/** The share as it is at the start of a life. */
function fresh(share: string): void {
  for (const name of readdirSync(share, { encoding: 'buffer' })) rmSync(`${share}/${name.toString()}`, { recursive: true, force: true });
  writeFileSync(join(share, 'a'), 'contents of a');
  mkdirSync(join(share, 'dir'));
  writeFileSync(join(share, 'dir/b'), 'b');
  symlinkSync('../secret', join(share, 'out'));
}

export function ninep(memory: GuardedMemory, _clock: FakeClock, random: Random): Target {
  const folder = around();
  const share = join(folder, 'share');
  const writable = random(4) > 0;
  if (random(8) === 0 || !existsSync(join(share, 'dir/b'))) fresh(share);
  let server: NinePServer | undefined;
  const make = (): Virtio9p => {
    server?.close();
    server = new NinePServer({ root: openShare(share), writable });
    return new Virtio9p({ memory, tag: 'fuzz', server });
  };
  const field = (): ['u32', number] | ['u64', number] | ['s', string] | ['u8', number] => {
    switch (random(8)) {
      case 0:
        return ['s', NAMES[random(NAMES.length)] as string];
      case 1:
        return ['u64', random(3) === 0 ? 2 ** 60 : random(64)];
      case 2:
        return ['u8', random(256)];
      case 3:
        return ['u32', random(0x1_0000_0000)];
      default:
        return ['u32', random(6)];
    }
  };
  const name = (): ['s', string] => ['s', NAMES[random(NAMES.length)] as string];
  const fid = (): ['u32', number] => ['u32', random(6)];
  const small = (): ['u32', number] => ['u32', random(600)];
  /** The fields that a request of this type has, more or less. */
  const fields = (type: number): Parameters<typeof Client.request>[1] => {
    switch (type) {
      case T.version:
        return [
          ['u32', 4096 << random(8)],
          ['s', '9P2000.L'],
        ];
      case T.attach:
        return [fid(), ['u32', 0xffff_ffff], ['s', ''], ['s', ''], ['u32', 0]];
      case T.walk: {
        const names = Array.from({ length: random(4) }, name);
        return [fid(), fid(), ['u16', names.length], ...names];
      }
      case T.lopen:
        return [fid(), ['u32', [0, 1, 2, 0o1002][random(4)] as number]];
      case T.lcreate:
        return [fid(), name(), ['u32', 0o102 | (random(2) << 7)], ['u32', random(0o10000)], ['u32', 0]];
      case T.read:
      case T.readdir:
        return [fid(), ['u64', random(64)], small()];
      case T.write: {
        const bytes = new Uint8Array(random(200));
        return [fid(), ['u64', random(64)], ['u32', bytes.length], ['b', bytes]];
      }
      case T.mkdir:
        return [fid(), name(), ['u32', 0o755], ['u32', 0]];
      case T.symlink:
        return [fid(), name(), ['s', random(2) === 0 ? '../secret' : '/'], ['u32', 0]];
      case T.link:
      case T.rename:
        return [fid(), fid(), name()];
      case T.renameat:
        return [fid(), name(), fid(), name()];
      case T.unlinkat:
        return [fid(), name(), ['u32', 0x200 * random(2)]];
      case T.setattr: {
        const numbers = Array.from({ length: 5 }, (): ['u64', number] => ['u64', random(4096)]);
        return [fid(), ['u32', random(512) & ~6], ['u32', random(0o1000) | 0o700], ['u32', 0], ['u32', 0], ...numbers];
      }
      default:
        return [fid(), ...Array.from({ length: random(6) }, field)];
    }
  };
  const put = (request: Uint8Array): readonly Buffer[] => {
    memory.bytes.set(request, BUFFERS_AT);
    const cut = Math.min(request.length, 1 + random(24));
    const room = random(8) === 0 ? random(32) : 1024;
    return [
      { gpa: BUFFERS_AT, length: cut },
      { gpa: BUFFERS_AT + cut, length: request.length - cut },
      { gpa: ANSWER_AT, length: Math.min(11, room), write: true },
      { gpa: ANSWER_AT + 11, length: Math.max(0, room - 11), write: true },
    ];
  };
  const version = (): Uint8Array =>
    Client.request(T.version, [
      ['u32', 8192],
      ['s', '9P2000.L'],
    ]);
  return {
    device: make(),
    features: [0],
    request() {
      const type = TYPES[random(TYPES.length)] as number;
      const chosen = random(5) === 0 ? T.attach : random(4) === 0 ? T.walk : type === T.version && random(4) > 0 ? T.lopen : type;
      return put(Client.request(chosen, fields(chosen), random(3)));
    },
    sound: () => ({ queue: 0, buffers: put(version()).map((b) => (b.write && b.gpa > ANSWER_AT ? { ...b, length: 1000 } : b)) }),
    outside() {
      if (readFileSync(join(folder, 'secret'), 'latin1') !== SECRET || readdirSync(folder).length !== 2)
        throw new Finding('something outside the share was changed');
      if (readdirSync('/proc/self/fd').length > 4096) throw new Finding('descriptors are not given back');
    },
    again: make,
    done: () => server?.close(),
  };
}
