/**
 * What disks keep in the VM's snapshots.
 *
 * @module
 */
import type { DiskImage } from '../devices/disk/image.ts';
import { MemoryOverlay } from '../devices/disk/memory-overlay.ts';
import type { Vm } from './vm.ts';

/** Makes disk `i` part of the VM's snapshots. */
export function keepDisk(vm: Vm, image: DiskImage, i: number): void {
  if (image instanceof MemoryOverlay) vm.blobs.set(`disk${i}`, image);
  if (image.readOnly) return;
  // Twice: what the first one makes free, the second one writes.
  vm.beforeSave.push(() => {
    image.flush();
    image.flush();
  });
}
