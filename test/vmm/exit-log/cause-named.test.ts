/** What a cause is called means that cause again. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { causeName, causeNumber } from '../../../vmm/exit-log/cause.ts';
import { CauseError, causeNamed } from '../../../vmm/exit-log/cause-named.ts';
import { EXIT_REASON } from '../../../vmm/exit-reason.ts';

const DETAILS: readonly (readonly [reason: number, details: readonly number[]])[] = [
  [EXIT_REASON.APIC_ACCESS, [0, 0x80, 0x390, 0x10b0, 0x1fff, 0x3000, 0xffff]],
  [EXIT_REASON.IO_INSTRUCTION, [0, 0x3f8, 0xffff, 0x1_03f8, 0x1_ffff]],
  [EXIT_REASON.MSR_WRITE, [0x10, 0x6e0, 0xffff_ffff]],
  [EXIT_REASON.EPT_MISCONFIG, [0, 0xfec00, 2 ** 36]],
  [EXIT_REASON.EPT_VIOLATION, [1, 2, 4, 7]],
  [EXIT_REASON.CPUID, [0, 7]],
  [EXIT_REASON.EXCEPTION_NMI, [6, 14]],
];

test('every name is read as the cause that has it', () => {
  for (const [reason, details] of DETAILS) {
    for (const detail of details) {
      const cause = causeNumber(reason, detail);
      assert.equal(causeNamed(causeName(cause)), { text: causeName(cause), reason, cause });
    }
  }
});

test('a register of the local APIC that cannot be is told with what there is', () => {
  for (const detail of ['read of register 0x1000', 'write of register b0', 'eat of register 0xb0'])
    assert.throws(
      () => causeNamed(`APIC_ACCESS ${detail}`),
      (error: unknown) => error instanceof CauseError && error.message.includes('there is'),
    );
});

test.run();
