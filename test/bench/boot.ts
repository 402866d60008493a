/**
 * Figures of the reference guest: CPU seconds of its boot beside QEMU's, resident memory.
 *
 * @module
 */
import process from 'node:process';
import { obtainLinux } from '../../images/linux/fetch.ts';
import { type Image, NO_QEMU, qemuName, runLucid, runQemu } from './engines.ts';
import { alternate, type Row, Skipped } from './measure.ts';

const MIB = 1048576;
const PAGE = 4096;

export async function linux(append: string): Promise<Image> {
  const got = await obtainLinux((line) => process.stderr.write(`bench: ${line}\n`));
  if (!got.ok) throw new Skipped(`Debian's Linux could not be obtained: ${got.reason}`);
  return { kernel: got.vmlinuz, initrd: got.initramfs, append, says: 'BOOT-OK' };
}

async function boot(name: string, append: string, runs: number, atMost?: Row['atMost']): Promise<Row> {
  const image = await linux(append);
  const qemu = qemuName();
  const engines = [() => runLucid(image).cpuSeconds];
  if (qemu !== undefined) engines.push(() => runQemu(image).cpuSeconds);
  const [lucid, peer] = alternate(runs, engines);
  if (lucid === undefined) throw new Error('no engine ran');
  return {
    name,
    unit: 's CPU',
    lucid,
    ...(peer === undefined ? { missing: NO_QEMU } : { peer: { who: qemu as string, sample: peer } }),
    atMost,
  };
}

/** The boot without the kernel's crypto self-tests, which are most of it otherwise. */
export async function benchBoot(runs: number): Promise<Row[]> {
  return [await boot('boot', 'console=ttyS0 cryptomgr.notests', runs, { value: 1.3, of: 'ratio' })];
}

export async function benchBootFull(runs: number): Promise<Row[]> {
  return [await boot('boot-full', 'console=ttyS0', runs)];
}

/** Peak resident memory of the process less the pages that the guest touched. */
export async function benchMemory(runs: number): Promise<Row[]> {
  const image = await linux('console=ttyS0 cryptomgr.notests');
  const touched: number[] = [];
  const [lucid] = alternate(runs, [
    () => {
      const { report } = runLucid(image);
      touched.push(report.pagesTouched);
      return (report.host.peakRssBytes - report.pagesTouched * PAGE) / MIB;
    },
  ]);
  const note = `beside ${Math.round(((touched[0] ?? 0) * PAGE) / MIB)} MiB that the guest touched`;
  return [{ name: 'memory', unit: 'MiB', lucid: lucid as Row['lucid'], atMost: { value: 128, of: 'lucid' }, note }];
}
