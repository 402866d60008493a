/**
 * The disks of one run: opened before the board is made, closed when the guest has ended. What the host cannot do for one is told once, not for each
 * request: the guest asks again and again.
 *
 * @module
 */
import type { DiskImage } from '../devices/disk/image.ts';
import { closeDisk, driveOption, openDiskFor } from './disks.ts';
import type { VirtioOptions } from './virtio-slots.ts';
import type { RunOptions } from './worker-messages.ts';

export class RunDisks {
  /** For the board. */
  readonly options: Pick<VirtioOptions, 'disks' | 'diskOptions' | 'diskFailed'>;
  readonly #images: DiskImage[] = [];
  readonly #names: readonly string[];
  readonly #warn: (line: string) => void;
  readonly #told = new Set<number>();

  /** Throws DiskOpenError. */
  constructor({ disks = [], name }: Pick<RunOptions, 'disks' | 'name'>, warn: (line: string) => void) {
    this.#warn = warn;
    this.#names = disks.map((disk) => `${driveOption(disk)} ${disk.overlay ?? disk.path}`);
    try {
      for (const disk of disks) this.#images.push(openDiskFor(name, disk));
    } catch (error) {
      this.close();
      throw error;
    }
    this.options = { disks: this.#images, diskOptions: disks, diskFailed: (disk, reason) => this.#failed(disk, reason) };
  }

  #failed(disk: number, reason: string): void {
    if (this.#told.has(disk)) return;
    this.#told.add(disk);
    this.#warn(`${this.#names[disk]}: ${reason}; the guest gets an I/O error (told once)`);
  }

  /** Writes what is still in memory; what cannot be written is told. */
  close(): void {
    this.#images.forEach((image, i) => {
      try {
        closeDisk(image);
      } catch (error) {
        this.#warn(`${this.#names[i]}: ${(error as Error).message}; what the guest wrote since its last flush may be lost`);
      }
    });
  }
}
