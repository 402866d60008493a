/**
 * The virtio transport of 9P: a directory of the host for the guest to mount by its tag.
 *
 * Specification: the 9P transport has device type 9 in virtio 1.2, section 5, and no section of its own; the layout is Linux's (net/9p/trans_virtio.c,
 * include/uapi/linux/virtio_9p.h): one queue, configuration `tag_len` (2 bytes) and the tag, feature 0 (MOUNT_TAG).
 *
 * A buffer holds one request to be read and room for its answer. It is answered at once: the host's files are outside the VM's time. A buffer
 * without a request, or without room for an error, is no driver's.
 *
 * @module
 */
import type { DeviceState, DmaMemory } from '../../vmm/bus.ts';
import { ERROR_BYTES, HEADER } from '../9p/messages.ts';
import { MSIZE_MAX, type NinePServer } from '../9p/server.ts';
import { savedParts } from '../saved.ts';
import { VirtioDevice, type Virtqueue } from './device.ts';
import { bytesOf, type Chain, gather, scatter } from './ring.ts';

const F_MOUNT_TAG = 0;
const QUEUE_MAX = 128;
/** Of the tag: Linux shows it in a file of one page. */
export const TAG_MAX = 255;

export interface Virtio9pOptions {
  readonly memory: DmaMemory;
  readonly server: NinePServer;
  /** 1 to `TAG_MAX` characters of ASCII. */
  readonly tag: string;
}

export class Virtio9p extends VirtioDevice {
  override readonly type = 9;
  override readonly classCode = 0x018000;
  private readonly server: NinePServer;
  private readonly configuration: Uint8Array;
  private request = new Uint8Array(8192);

  constructor({ memory, server, tag }: Virtio9pOptions) {
    super(memory, [QUEUE_MAX], [F_MOUNT_TAG]);
    this.server = server;
    this.configuration = Uint8Array.from([tag.length & 0xff, tag.length >> 8, ...Array.from(tag, (c) => c.charCodeAt(0) & 0x7f)]);
  }

  configByte(offset: number): number {
    return this.configuration[offset] ?? 0;
  }

  protected notified(queue: Virtqueue): void {
    for (let chain = this.take(queue); chain !== undefined; chain = this.take(queue)) {
      const length = bytesOf(chain.readable);
      const room = bytesOf(chain.writable);
      if (length < HEADER || room < ERROR_BYTES) {
        this.broken();
        return;
      }
      const answer = this.server.handle(this.gathered(chain, Math.min(length, MSIZE_MAX)), room);
      this.give(queue, chain, scatter(this.memory, chain.writable, 0, answer));
    }
    this.signal(queue);
  }

  /** The request in one piece. */
  private gathered(chain: Chain, length: number): Uint8Array {
    if (this.request.length < length) this.request = new Uint8Array(MSIZE_MAX);
    const request = this.request.subarray(0, length);
    gather(this.memory, chain.readable, 0, request);
    return request;
  }

  protected forget(): void {
    this.server.reset();
  }

  override save(): DeviceState {
    return { ...super.save(), server: [this.server.save()] };
  }

  override restore(state: DeviceState): void {
    const [server] = savedParts(state, 'server', 1) as [DeviceState];
    super.restore(state);
    this.server.restore(server);
  }
}
