/**
 * What disks and NICs did, from their kstats: `disk` with the statistics of kstat_io(9S), `net` with those of mac(9E).
 *
 * @module
 */
import type { KstatRegistry, KstatSnapshot } from './kstat.ts';

export interface DiskReport {
  readonly name: string;
  readonly reads: number;
  readonly writes: number;
  readonly readBytes: number;
  readonly writtenBytes: number;
  /** Time in which the disk had something to do, ns of the VM's clock. */
  readonly busyNs: number;
}

export interface NicReport {
  readonly name: string;
  readonly packetsIn: number;
  readonly packetsOut: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  /** Frames that went nowhere: malformed, or against the NIC's protection. */
  readonly dropped: number;
}

type Read = (name: string) => number;

function reader({ values }: KstatSnapshot): Read {
  const byName = new Map(values);
  return (name) => Number(byName.get(name) ?? 0);
}

function nicReport(name: string, of: Read, protection: Read): NicReport {
  return {
    name,
    packetsIn: of('ipackets64'),
    packetsOut: of('opackets64'),
    bytesIn: of('rbytes64'),
    bytesOut: of('obytes64'),
    dropped: of('ierrors') + of('oerrors') + protection('macspoofed') + protection('ipspoofed'),
  };
}

/** In the order of the options. */
export function disksOf(kstats: KstatRegistry): DiskReport[] {
  const disks = kstats.readAll().filter((kstat) => kstat.class === 'disk' && kstat.type === 'io');
  disks.sort((a, b) => a.instance - b.instance);
  return disks.map((kstat) => {
    const of = reader(kstat);
    return {
      name: kstat.name,
      reads: of('reads'),
      writes: of('writes'),
      readBytes: of('nread'),
      writtenBytes: of('nwritten'),
      busyNs: of('rtime'),
    };
  });
}

export function nicsOf(kstats: KstatRegistry): NicReport[] {
  const all = kstats.readAll().filter((kstat) => kstat.class === 'net');
  const nics = all.filter(({ values }) => values.some(([name]) => name === 'ipackets64'));
  return nics.map((kstat) => {
    const protection = all.find(({ module, name }) => module === kstat.module && name === `${kstat.name}-protect`);
    return nicReport(kstat.name, reader(kstat), protection === undefined ? () => 0 : reader(protection));
  });
}
