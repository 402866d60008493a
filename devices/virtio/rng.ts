/**
 * The virtio entropy device: random bytes from the VM's seed, so that a run repeats.
 *
 * Specification: virtio 1.2, section 5.4. One queue; every buffer in it is filled at once, up to 64 KB of it, and given back.
 *
 * The generator is xoshiro128** (Blackman and Vigna), seeded through splitmix32. It passes statistical tests and is no secret: whoever knows the seed knows
 * the bytes. That is the point of a machine whose runs repeat; a guest that keeps real secrets belongs elsewhere.
 *
 * @module
 */
import type { DeviceState, DmaMemory } from '../../vmm/bus.ts';
import { savedInts } from '../saved.ts';
import { VirtioDevice, type Virtqueue } from './device.ts';
import { bytesOf, eachPiece } from './ring.ts';

const QUEUE_MAX = 64;
/** Of one buffer; what it holds more stays as it is (5.4.6: one byte or more). */
const BYTES_MAX = 65536;

export class VirtioRng extends VirtioDevice {
  override readonly type = 4;
  override readonly classCode = 0xff0000;
  private readonly state = new Uint32Array(4);

  constructor(memory: DmaMemory, seed: number) {
    super(memory, [QUEUE_MAX], []);
    let z = seed >>> 0;
    for (let i = 0; i < 4; i++) {
      z = (z + 0x9e37_79b9) >>> 0;
      let t = Math.imul(z ^ (z >>> 16), 0x21f0_aaad);
      t = Math.imul(t ^ (t >>> 15), 0x735a_2d97);
      this.state[i] = t ^ (t >>> 15);
    }
  }

  private next(): number {
    const s = this.state;
    const [a, b, c, d] = s as unknown as [number, number, number, number];
    const result = Math.imul(rotated(Math.imul(b, 5), 7), 9) >>> 0;
    s[2] = c ^ a;
    s[3] = d ^ b;
    s[1] = b ^ (s[2] as number);
    s[0] = a ^ (s[3] as number);
    s[2] = (s[2] as number) ^ (b << 9);
    s[3] = rotated(s[3] as number, 11);
    return result;
  }

  private fill(bytes: Uint8Array): void {
    for (let i = 0; i < bytes.length; i += 4) {
      const word = this.next();
      for (let k = i; k < Math.min(i + 4, bytes.length); k++) bytes[k] = word >>> (8 * (k - i));
    }
  }

  protected notified(queue: Virtqueue): void {
    for (let chain = this.take(queue); chain !== undefined; chain = this.take(queue)) {
      const bytes = Math.min(bytesOf(chain.writable), BYTES_MAX);
      eachPiece(chain.writable, 0, bytes, (gpa, _at, length) => {
        const block = this.memory.writable(gpa, length);
        if (block !== undefined) this.fill(block);
      });
      this.give(queue, chain, bytes);
    }
    this.signal(queue);
  }

  configByte(): number {
    return 0;
  }

  /** A reset does not start the sequence again: what was drawn stays drawn. */
  protected forget(): void {}

  override save(): DeviceState {
    return { ...super.save(), state: Array.from(this.state) };
  }

  override restore(state: DeviceState): void {
    const words = savedInts(state, 'state', 4, 0, 0xffff_ffff);
    super.restore(state);
    this.state.set(words);
  }
}

function rotated(x: number, n: number): number {
  return (x << n) | (x >>> (32 - n));
}
