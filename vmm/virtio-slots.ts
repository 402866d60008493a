/**
 * The virtio devices of the board: each in a PCI slot of its own, one after the other from slot 3 on, in an order that the options alone decide, so that a
 * snapshot finds them where they were.
 *
 * @module
 */
import type { DiskImage } from '../devices/disk/image.ts';
import type { DiskIdentity } from '../devices/disk/requests.ts';
import type { Pci } from '../devices/pci.ts';
import type { VirtioConsole } from '../devices/virtio/console.ts';
import type { VirtioDevice } from '../devices/virtio/device.ts';
import { VirtioPci } from '../devices/virtio/pci.ts';
import { keepDisk } from './kept-disk.ts';
import { late } from './late.ts';
import type { NicMaker } from './nics.ts';
import type { Share } from './shares.ts';
import type { DiskOptions } from './disks.ts';
import type { MmioSurroundings } from './virtio-over-mmio.ts';
import type { Vm } from './vm.ts';

// Few guests have all of them.
const late9p = late<typeof import('../devices/virtio/9p.ts')>(new URL('../devices/virtio/9p.ts', import.meta.url));
const lateBlk = late<typeof import('../devices/virtio/blk.ts')>(new URL('../devices/virtio/blk.ts', import.meta.url));
const lateNet = late<typeof import('../devices/virtio/net.ts')>(new URL('../devices/virtio/net.ts', import.meta.url));
const lateNics = late<typeof import('./nics.ts')>(new URL('./nics.ts', import.meta.url));
const lateRng = late<typeof import('../devices/virtio/rng.ts')>(new URL('../devices/virtio/rng.ts', import.meta.url));
const lateMmio = late<typeof import('./virtio-over-mmio.ts')>(new URL('./virtio-over-mmio.ts', import.meta.url));

export interface VirtioOptions {
  /** How the guest reaches them; default by PCI. */
  readonly virtio?: 'pci' | 'mmio';
  /** Disks, in the order of their PCI slots. */
  readonly disks?: readonly DiskImage[];
  /** NICs, behind the disks. */
  readonly nicMakers?: readonly NicMaker[];
  /** What is particular about each of them. */
  readonly diskOptions?: readonly Partial<Pick<DiskOptions, 'serial' | 'queues' | 'path' | 'interface'>>[];
  /** Told of each request of a disk that the host could not do. */
  readonly diskFailed?: (disk: number, reason: string) => void;
  /** An entropy device. */
  readonly rng?: boolean;
  /** Directories for the guest. */
  readonly opened?: readonly Share[];
  /** A console, made already. */
  readonly terminal?: VirtioConsole;
  /** Of everything that is random in the machine, 32 bits; default 0. */
  readonly seed?: number;
}

/** Slots 0 to 2 are a PC's own: host bridge, ISA bridge, video. */
export const FIRST_SLOT = 3;

/** The number of the driver in Linux. */
const VIRTIO_BLK_MAJOR = 254;

/** A disk's name in kstats and traces; its path is that of its slot, in the form of illumos. */
function diskIdentity(instance: number, place: string, file: string, format = ''): DiskIdentity {
  const path = `/devices/${place}/disk@0,0`;
  return { driver: 'virtio_blk', major: VIRTIO_BLK_MAJOR, instance, name: `disk${instance}`, path, file, format };
}

/** Puts them in: the disks in their order, then what else was asked for. Over MMIO each transport is told to `keep`, as nothing else would. */
export function addVirtio(vm: Vm, pci: Pci, options: VirtioOptions, mmio: MmioSurroundings): void {
  const { disks = [], diskOptions = [], diskFailed, nicMakers = [], rng = false, terminal, opened = [], seed = 0 } = options;
  const overMmio = options.virtio === 'mmio' ? lateMmio().mmioAdder(vm, mmio) : undefined;
  let slot = FIRST_SLOT;
  const add = (name: string, device: VirtioDevice): void => {
    const at = slot - FIRST_SLOT;
    if (overMmio !== undefined) {
      overMmio(name, device, at);
      slot++;
      return;
    }
    const signalMsi = (address: number, data: number): void => void vm.signalMsi(address, data);
    pci.add(slot, 0, new VirtioPci({ device, mmio: vm.mmio, line: pci.intx(slot, 0), signalMsi, name }));
    slot++;
  };
  disks.forEach((image, i) => {
    if ((diskOptions[i]?.interface ?? 'virtio') !== 'virtio') return;
    keepDisk(vm, image, i);
    const { serial = `lucid-disk${i}`, queues, path = '' } = diskOptions[i] ?? {};
    const failed = diskFailed === undefined ? undefined : (reason: string) => diskFailed(i, reason);
    const place = options.virtio === 'mmio' ? `virtio_mmio@${slot - FIRST_SLOT}` : `pci@0,0/pci1af4,1042@${slot.toString(16)}`;
    const identity = diskIdentity(i, place, path, image.format);
    const disk = new (lateBlk().VirtioBlk)({ memory: vm.ram, clock: vm.clock, image, serial, queues, failed, identity });
    vm.kstats.add(disk.requests.kstat());
    add('virtio-blk', disk);
  });
  nicMakers.forEach((make, i) => {
    const { saveable, made, ...parts } = make(vm.clock);
    if (saveable !== undefined) vm.addSaveable(`nic${i}-backend`, saveable);
    const nic = new (lateNet().VirtioNet)({ memory: vm.ram, clock: vm.clock, instance: i, ...parts });
    made(nic);
    add('virtio-net', nic);
    for (const kstat of lateNics().nicKstats(i, nic, vm.clock.now())) vm.kstats.add(kstat);
  });
  if (rng) add('virtio-rng', new (lateRng().VirtioRng)(vm.ram, seed));
  if (terminal !== undefined) add('virtio-console', terminal);
  for (const { server, tag } of opened) add('virtio-9p', new (late9p().Virtio9p)({ memory: vm.ram, server, tag }));
}
