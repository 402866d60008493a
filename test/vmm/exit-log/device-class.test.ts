/** What a log's reader takes for the device behind a port is what the board has there. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { VGA_BYTES } from '../../../devices/vga-state.ts';
import { addressClass, DEVICE_CLASSES, portClass } from '../../../vmm/exit-log/device-class.ts';
import { builtinGuest, machineWith } from '../guests.ts';

/** Where BARs begin. */
const BARS = 0x1000;

test('each port below the BARs belongs to the device that the board has there', () => {
  const { machine } = machineWith(builtinGuest(), {
    hpet: true,
    ecam: true,
    video: { state: new Uint8Array(new SharedArrayBuffer(VGA_BYTES)) },
  });
  const wrong: string[] = [];
  for (let port = 0; port < BARS; port++) {
    const [has, told] = [machine.vm.ports.nameOf(port) ?? 'unclaimed', DEVICE_CLASSES[portClass(port)]];
    // Only a machine with IDE drives has their ports.
    if (has !== told && told !== 'ide' && !has.startsWith('test ')) wrong.push(`${port.toString(16)}: ${has}, told ${told}`);
  }
  assert.equal(wrong, []);
});

test('device memory has its device, what a guest places has none', () => {
  const names = [0xfee0_0300, 0xfec0_0010, 0xfed0_00f0, 0xb_8000, 0xd000_1000, 0xfe00_0000, 2 ** 40].map(
    (gpa) => DEVICE_CLASSES[addressClass(gpa)],
  );
  assert.equal(names, ['lapic', 'ioapic', 'hpet', 'vga', 'pci', 'device', 'device']);
  assert.is(DEVICE_CLASSES[portClass(0xc000)], 'device');
});

test.run();
