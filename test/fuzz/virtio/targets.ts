/**
 * The devices that are fuzzed: how one is made, what a driver asks of it, and what comes from outside.
 *
 * @module
 */
import { net } from './net.ts';
import { ninep } from './ninep.ts';
import { VirtioBlk } from '../../../devices/virtio/blk.ts';
import { VirtioConsole } from '../../../devices/virtio/console.ts';
import type { VirtioDevice } from '../../../devices/virtio/device.ts';
import { VirtioRng } from '../../../devices/virtio/rng.ts';
import type { FakeClock } from '../../devices/fake.ts';
import type { Buffer } from '../../devices/virtio/board.ts';
import { BUFFERS_AT, GuardedDisk, type GuardedMemory } from './guarded.ts';

export type Random = (below: number) => number;

export interface Target {
  readonly device: VirtioDevice;
  /** Feature bits of its own that a driver may take. */
  readonly features: readonly number[];
  /** A request as a driver would make it for queue `queue`, its bytes written to memory; at most six buffers. */
  request(queue: number): readonly Buffer[];
  /** A request that the device answers at once or soon, and on which queue: to see that it lives. */
  sound(): { readonly queue: number; readonly buffers: readonly Buffer[] };
  /** Something happens outside. */
  outside(): void;
  /** At the end of a life. */
  done?(): void;
  /** The same device again, empty, to restore a saved state into; what stands behind it is the same. */
  again(clock: FakeClock): VirtioDevice;
}

export type MakeTarget = (memory: GuardedMemory, clock: FakeClock, random: Random) => Target;

function blk(memory: GuardedMemory, first: FakeClock, random: Random): Target {
  const image = new GuardedDisk(random(8) === 0);
  const queues = random(3) === 0 ? 4 : 1;
  const again = (clock: FakeClock): VirtioDevice => new VirtioBlk({ memory, clock, image, serial: 'fuzz', queues });
  const status = { gpa: BUFFERS_AT + 0x20, length: 1, write: true };
  const header = { gpa: BUFFERS_AT, length: 16 };
  const data = BUFFERS_AT + 0x200;
  const asks = (type: number, sector: number): void => {
    memory.view.setUint32(header.gpa, type, true);
    memory.view.setUint32(header.gpa + 8, sector, true);
    memory.view.setUint32(header.gpa + 12, 0, true);
  };
  return {
    device: again(first),
    features: [5, 6, 9, 12, 13, 14],
    request() {
      const type = [0, 0, 0, 1, 1, 1, 4, 8, 11, 13][random(10)] as number;
      asks(type, random(64));
      if (type === 4) return [header, status];
      if (type === 8) return [header, { gpa: data, length: 20, write: true }, status];
      if (type > 8) {
        memory.view.setUint32(data, random(64), true);
        memory.view.setUint32(data + 8, random(4), true);
        return [header, { gpa: data, length: 16 * (1 + random(3)) }, status];
      }
      const write = type === 0;
      const cut = random(513);
      const tail = [{ gpa: data + 0x400, length: 512 * random(4), write }];
      return [header, { gpa: data, length: cut, write }, { gpa: data + cut, length: 512 - cut, write }, ...tail, status];
    },
    sound() {
      image.failing = false;
      asks(0, 1);
      return { queue: 0, buffers: [header, { gpa: data, length: 512, write: true }, status] };
    },
    outside() {
      image.failing = random(2) === 0;
    },
    again,
  };
}

function rng(memory: GuardedMemory, _clock: FakeClock, random: Random): Target {
  return {
    device: new VirtioRng(memory, 1),
    features: [],
    request: () => Array.from({ length: 1 + random(3) }, (_, i) => ({ gpa: BUFFERS_AT + 0x400 * i, length: random(0x400), write: true })),
    sound: () => ({ queue: 0, buffers: [{ gpa: BUFFERS_AT, length: 16, write: true }] }),
    outside() {},
    again: () => new VirtioRng(memory, 1),
  };
}

function virtioConsole(memory: GuardedMemory, _clock: FakeClock, random: Random): Target {
  const make = (): VirtioConsole => new VirtioConsole({ memory, output() {}, size: { columns: 80, rows: 25 } });
  let device = make();
  return {
    device,
    features: [0, 2],
    request: (queue) =>
      Array.from({ length: 1 + random(4) }, (_, i) => ({ gpa: BUFFERS_AT + 0x100 * i, length: random(0x100), write: queue === 0 })),
    sound: () => ({ queue: 1, buffers: [{ gpa: BUFFERS_AT, length: 16 }] }),
    outside: () => void device.input(new Uint8Array(random(0x800))),
    again() {
      device = make();
      return device;
    },
  };
}

export const TARGETS: Readonly<Record<string, MakeTarget>> = { blk, console: virtioConsole, rng, '9p': ninep, net };
