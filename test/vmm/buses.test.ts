import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { MmioDevice, PortDevice } from '../../vmm/bus.ts';
import { CALL } from '../../vmm/cpu/core.ts';
import { MEMORY_MAP, offsetOf } from '../../vmm/cpu/layout.ts';
import { NO_EXIT_COSTS } from '../../vmm/exit-cost.ts';
import { MmioRegions } from '../../vmm/mmio-bus.ts';
import { IoPorts } from '../../vmm/port-bus.ts';

const CPU = MEMORY_MAP.VCPU_BASE;
const u32 = new Uint32Array((CPU + 2 * MEMORY_MAP.VCPU_STRIDE) / 4);
const DATA = (CPU + offsetOf('IO_DATA')) / 4;
const EXTRA = (CPU + offsetOf('EXIT_EXTRA')) / 4;

function portDevice(name: string, log: string[]): PortDevice {
  return {
    portRead: (port, size) => {
      log.push(`${name} in ${port.toString(16)}/${size}`);
      return port & 0xff;
    },
    portWrite: (port, size, value) => {
      log.push(`${name} out ${port.toString(16)}/${size}=${value.toString(16)}`);
    },
  };
}

test('an access reaches its device whole, and is split between two', () => {
  const log: string[] = [];
  const ports = new IoPorts(u32, NO_EXIT_COSTS, 'float');
  ports.addPorts(0x10, 4, portDevice('a', log), 'a');
  ports.addPorts(0x14, 1, portDevice('b', log), 'b');
  u32[DATA] = 0x44332211;
  assert.is(ports.access(CPU, 0x10, 4, 1), CALL.DONE);
  assert.is(ports.access(CPU, 0x12, 4, 1), CALL.DONE);
  assert.equal(log, ['a out 10/4=44332211', 'a out 12/1=11', 'a out 13/1=22', 'b out 14/1=33']);
  log.length = 0;
  ports.access(CPU, 0x13, 4, 0);
  assert.is(u32[DATA], 0xffff1413);
  assert.is(ports.nameOf(0x14), 'b');
});

test('an unclaimed port floats, or leaves run()', () => {
  const ports = new IoPorts(u32, NO_EXIT_COSTS, 'float');
  for (const [size, ones] of [
    [1, 0xff],
    [2, 0xffff],
    [4, 0xffffffff],
  ]) {
    assert.is(ports.access(CPU, 0x80, size, 0), CALL.DONE);
    assert.is(u32[DATA], ones);
  }
  ports.unclaimed = 'exit';
  assert.is(ports.access(CPU, 0x80, 1, 0), CALL.LEAVE);
});

test('taken ports and ranges beyond FFFF are refused', () => {
  const ports = new IoPorts(u32, NO_EXIT_COSTS, 'float');
  ports.addPorts(0x3f8, 8, portDevice('serial', []), 'serial');
  assert.throws(() => ports.addPorts(0x3ff, 2, portDevice('x', []), 'x'), /3ff belongs to serial/);
  assert.throws(() => ports.addPorts(0xffff, 2, portDevice('x', []), 'x'), /outside/);
});

test('the device class and the bytes add to the exit that is open', () => {
  const costs = { ...NO_EXIT_COSTS, devices: { serial: 100 }, byte: 3 };
  const ports = new IoPorts(u32, costs, 'float');
  ports.addPorts(0x3f8, 8, portDevice('serial', []), 'serial');
  u32[EXTRA] = 0;
  // Elements of one string instruction are one exit: the device is paid once, bytes each.
  ports.access(CPU, 0x3f8, 1, 1);
  ports.access(CPU, 0x3f8, 1, 1);
  assert.is(u32[EXTRA], 106);
});

test('MMIO goes by region; eight bytes are two accesses, low half first', () => {
  const log: string[] = [];
  const device: MmioDevice = {
    mmioRead: (offset, size) => {
      log.push(`read ${offset}/${size}`);
      return offset + 1;
    },
    mmioWrite: (offset, size, value) => {
      log.push(`write ${offset}/${size}=${value}`);
    },
  };
  const mmio = new MmioRegions(u32, NO_EXIT_COSTS, 'float');
  mmio.addMmio(0x2_0000_1000, 0x1000, device, 'd');
  assert.is(mmio.access(CPU, 0x1010, 2, 8, 0), CALL.DONE);
  assert.is(u32[DATA], 17);
  assert.is(u32[DATA + 1], 21);
  u32[DATA] = 5;
  u32[DATA + 1] = 6;
  mmio.access(CPU, 0x1018, 2, 8, 1);
  assert.equal(log, ['read 16/4', 'read 20/4', 'write 24/4=5', 'write 28/4=6']);
  mmio.access(CPU, 0x1ffe, 2, 4, 0);
  assert.is(u32[DATA], 0xffffffff);
  mmio.unclaimed = 'exit';
  assert.is(mmio.access(CPU, 0x1ffe, 2, 4, 0), CALL.LEAVE);
  assert.throws(() => mmio.addMmio(0x2_0000_1000, 0x1000, device, 'e'), /overlaps d/);
});

test('the xAPIC page is ahead of what lies under it, one local APIC a vCPU', () => {
  const page = (n: number): MmioDevice => ({ mmioRead: () => n, mmioWrite: () => {} });
  const mmio = new MmioRegions(u32, NO_EXIT_COSTS, 'float');
  mmio.addMmio(0xfee0_0000, 0x1000, page(9), 'under');
  mmio.setApicPage(0xfee0_0000, [page(1), page(2)]);
  assert.is(mmio.access(CPU, 0xfee0_0020, 0, 4, 0), CALL.DONE_IRQCHIP);
  assert.is(u32[DATA], 1);
  mmio.access(CPU + MEMORY_MAP.VCPU_STRIDE, 0xfee0_0020, 0, 4, 0);
  assert.is(u32[(CPU + MEMORY_MAP.VCPU_STRIDE + offsetOf('IO_DATA')) / 4], 2);
  mmio.setApicPage(0, []);
  assert.is(mmio.access(CPU, 0xfee0_0020, 0, 4, 0), CALL.DONE);
  assert.is(u32[DATA], 9);
});

test.run();
