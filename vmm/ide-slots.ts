/**
 * The board's PIIX3 at slot 1: the ISA bridge, and the IDE function with its drives.
 *
 * Disks take the four places from the first on, CD-ROMs from the secondary master on, where BIOSes and people expect them.
 *
 * @module
 */
import { AtapiCdrom } from '../devices/ata/cdrom.ts';
import { AtaDisk } from '../devices/ata/disk.ts';
import type { AtaDrive } from '../devices/ata/drive.ts';
import { PiixIde } from '../devices/ata/piix-ide.ts';
import { PiixIsa } from '../devices/piix-isa.ts';
import { Pci } from '../devices/pci.ts';
import type { IrqLine } from './bus.ts';
import { IDE_DRIVES_MAX } from './drive-limits.ts';
import type { DiskInterface, DiskOptions } from './disks.ts';
import { keepDisk, type VirtioOptions } from './virtio-slots.ts';
import type { Vm } from './vm.ts';

export const PIIX_SLOT = 1;
export const IDE_FUNCTION = 1;
const IRQS = [14, 15] as const;

type Line = (n: number) => IrqLine;
type IdeInterface = Exclude<DiskInterface, 'virtio'>;

/** Places in the order in which each kind takes them: primary master and slave, secondary master and slave are 0 to 3. */
const ORDER: Readonly<Record<IdeInterface, readonly number[]>> = { ide: [0, 1, 2, 3], cdrom: [2, 3, 0, 1] };

/** The IDE place of each disk; undefined for one that is not IDE. Throws RangeError when there are too many. */
export function idePlaces(disks: readonly Pick<DiskOptions, 'interface'>[]): (number | undefined)[] {
  const taken = new Set<number>();
  return disks.map(({ interface: kind = 'virtio' }) => {
    if (kind === 'virtio') return undefined;
    const place = ORDER[kind].find((at) => !taken.has(at));
    if (place === undefined) throw new RangeError(`at most ${IDE_DRIVES_MAX} IDE drives`);
    taken.add(place);
    return place;
  });
}

/** The PCI bus with INTx on `lines`, and the PIIX3 when it is wanted: its router brings the same lines to the 8259s. */
export function pciBus(lines: readonly number[], line: Line, withPiix: boolean): Pci {
  if (!withPiix) return new Pci({ lines: lines.map(line) });
  const bridge = new PiixIsa(line);
  const joined = lines.map((n, i): IrqLine => {
    const ioapic = line(n);
    const router = bridge.input(i);
    return {
      set(level) {
        ioapic.set(level);
        router.set(level);
      },
    };
  });
  const pci = new Pci({ lines: joined });
  pci.add(PIIX_SLOT, 0, bridge);
  return pci;
}

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
