/** The optional exits: what `--intercept` accepts, that they are off by default and free then, and that they can be switched at any time. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { EXIT_REASON, InterceptError, parseIntercepts } from '../../vmm/index.ts';
import { Guest } from './guest.ts';

test('a list of names, in any case, with spaces', () => {
  assert.equal(parseIntercepts(''), { switches: 0, exceptions: 0 });
  assert.equal(parseIntercepts('cr3, INVLPG,rdtsc ,pause,dr,cr8'), { switches: 63, exceptions: 0 });
  assert.equal(parseIntercepts('pf,UD,de,xm'), { switches: 0, exceptions: (1 << 14) | (1 << 6) | 1 | (1 << 19) });
});

test('an unknown name is named, with the known ones', () => {
  for (const list of ['cr2', 'pf,nonsense', 'cr3;pf', '14', 'constructor']) {
    assert.throws(
      () => parseIntercepts(list),
      (e: Error) => e instanceof InterceptError && e.message.includes('known are cr3') && e.message.includes('pf'),
      list,
    );
  }
});

/** RDTSC; PAUSE; MOV from CR3; INVLPG; MOV from DR7; MOV from CR8; UD2, over and over. */
const CODE = '0f 31 f3 90 0f 20 d8 0f 01 3f 0f 21 f8 44 0f 20 c0 0f 0b eb eb';
const PER_ROUND = 7 + 2;
const counted = [
  EXIT_REASON.RDTSC,
  EXIT_REASON.PAUSE,
  EXIT_REASON.CR_ACCESS,
  EXIT_REASON.INVLPG,
  EXIT_REASON.DR_ACCESS,
  EXIT_REASON.EXCEPTION_NMI,
];

function guest(): Guest {
  const g = new Guest({ code: CODE });
  g.put(0x4000 + 16 * 6, '48 83 04 24 02 48 cf');
  g.touchAll();
  return g;
}
const counts = (g: Guest): number[] => counted.map((reason) => g.count(reason));

test('off by default', () => {
  const g = guest();
  g.run(100 * PER_ROUND);
  assert.equal(g.exits([]), []);
});

test('switched on and off in the middle, for code that was decoded before', () => {
  const g = guest();
  g.run(10 * PER_ROUND);
  g.vm.setIntercepts(parseIntercepts('rdtsc,pause,cr3,invlpg,dr,cr8,ud'));
  g.run(15 * PER_ROUND);
  assert.equal(counts(g), [5, 5, 10, 5, 5, 5]);
  g.vm.setIntercepts(parseIntercepts('ud'));
  g.run(18 * PER_ROUND);
  assert.equal(counts(g), [5, 5, 10, 5, 5, 8]);
  g.vm.setIntercepts(parseIntercepts(''));
  g.run(30 * PER_ROUND);
  assert.equal(counts(g), [5, 5, 10, 5, 5, 8]);
});

test('what the guest computes is the same with and without', () => {
  const plain = guest();
  const watched = guest();
  watched.vm.setIntercepts(parseIntercepts('rdtsc,pause,cr3,invlpg,dr,cr8,ud,pf,gp'));
  for (const g of [plain, watched]) g.run(50 * PER_ROUND);
  // Exits cost nothing here, so that even the TSC is the same.
  assert.equal(watched.vcpu.getRegs(), plain.vcpu.getRegs());
  assert.is(watched.now, plain.now);
});

test('they are part of a saved VM', () => {
  const g = guest();
  g.vm.setIntercepts(parseIntercepts('rdtsc'));
  const copy = guest();
  copy.vm.restoreState(g.vm.saveState());
  copy.run(PER_ROUND);
  assert.equal(counts(copy), [1, 0, 0, 0, 0, 0]);
});

test.run();
