/**
 * The IDE function of the board's PIIX3, with its drives.
 *
 * @module
 */
import { AtapiCdrom } from '../devices/ata/cdrom.ts';
import { AtaDisk } from '../devices/ata/disk.ts';
import type { AtaDrive } from '../devices/ata/drive.ts';
import { PiixIde } from '../devices/ata/piix-ide.ts';
import type { Pci } from '../devices/pci.ts';
import { IDE_DRIVES_MAX } from './drive-limits.ts';
import { IDE_FUNCTION, idePlaces, type Line, PIIX_SLOT } from './ide-slots.ts';
import { keepDisk } from './kept-disk.ts';
import type { VirtioOptions } from './virtio-slots.ts';
import type { Vm } from './vm.ts';

const IRQS = [14, 15] as const;

/** The number of the first IDE channel's driver in Linux. */
const ATA_MAJOR = 3;

/** Where a drive sits, in the form of illumos. */
function idePath(place: number): string {
  return `/devices/pci@0,0/pci-ide@${PIIX_SLOT},${IDE_FUNCTION}/ide@${place >> 1}/disk@${place & 1},0`;
}

/** Puts the IDE function in, with those of the disks that are IDE. */
export function addIde(vm: Vm, pci: Pci, line: Line, { disks = [], diskOptions = [], diskFailed }: VirtioOptions): void {
  const drives = new Array<AtaDrive | undefined>(IDE_DRIVES_MAX).fill(undefined);
  idePlaces(diskOptions).forEach((place, i) => {
    const image = disks[i];
    if (place === undefined || image === undefined) return;
    keepDisk(vm, image, i);
    const { serial = `lucid-ide${place}`, path = '', interface: kind } = diskOptions[i];
    const failed = diskFailed === undefined ? undefined : (reason: string) => diskFailed(i, reason);
    const name = `${kind === 'cdrom' ? 'cd' : 'disk'}${i}`;
    const identity = { driver: 'ata', major: ATA_MAJOR, instance: i, name, path: idePath(place), file: path, format: image.format ?? '' };
    const options = { clock: vm.clock, memory: vm.ram, image, serial, identity, failed };
    const drive = kind === 'cdrom' ? new AtapiCdrom(options) : new AtaDisk(options);
    vm.kstats.add(drive.requests.kstat());
    drives[place] = drive;
  });
  const irqs = [line(IRQS[0]), line(IRQS[1])] as const;
  pci.add(PIIX_SLOT, IDE_FUNCTION, new PiixIde({ memory: vm.ram, ports: vm.ports, irqs, drives }));
}
