import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Vm } from '../../vmm/index.ts';

test('twenty lines run a guest: OUT and HLT come out of run()', async () => {
  const vm = await Vm.create({ memory: '1M' });
  const vcpu = vm.createVcpu(0);
  vm.ram.write(0x1000, Uint8Array.of(0xb0, 0x2a, 0xe6, 0x10, 0xf4)); // mov al, 42; out 0x10, al; hlt
  const { cs } = vcpu.getSregs();
  vcpu.setSregs({ cs: { ...cs, selector: 0, base: 0n } });
  vcpu.setRegs({ rip: 0x1000n });
  const seen: string[] = [];
  for (let running = true; running; ) {
    const exit = vcpu.run();
    switch (exit.reason) {
      case 'io':
        seen.push(`port ${exit.port} <- ${exit.data}`);
        break;
      case 'hlt':
        running = false;
        break;
      default:
        throw new Error(`${exit.reason}: ${exit.detail}`);
    }
  }
  assert.equal(seen, ['port 16 <- 42']);
  assert.is(vcpu.getRegs().rip, 0x1005n);
  assert.is(vcpu.instructions, 3);
});

test.run();
