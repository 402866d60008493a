/**
 * Exits as perf script and trace-cmd report print them. The layout of the lines is that of the tools (perf 6.1 with --ns, trace-cmd 3.1 with -N -t, which
 * read made-up traces), what follows the event's name that of Linux' tracepoints.
 */
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { EXIT_RECORD } from '../../../vmm/cpu/layout.ts';
import { EXIT_BYTES, putRecord } from '../../../vmm/exit-log/json.ts';
import { perfText, traceHeader, traceText } from '../../../vmm/exit-log/text.ts';

const test = suite('exit log as text');

const EXIT = {
  time: 12_000_000_345,
  vcpu: 1,
  reason: 'IO_INSTRUCTION',
  rip: '0xffffffff80fffffe',
  cpl: 0,
  bits: 64,
  length: 2,
  instructions: 9,
  costNs: 2500,
  cr3: '0x1000',
  qualification: '0x3f80000',
};

function record(said: object): [view: DataView, at: number, chain: number] {
  const bytes = new Uint8Array(EXIT_BYTES);
  const length = putRecord(bytes, 0, { ...EXIT, ...said });
  assert.ok(length > 0);
  return [new DataView(bytes.buffer), 0, length / EXIT_RECORD.BYTES - 1];
}

test('an exit is two lines of perf script', () => {
  assert.is(
    perfText('a guest')(...record({})),
    '         a_guest     2 [001] 12.000000345: kvm:kvm_exit: vcpu 1 reason IO_INSTRUCTION rip 0xffffffff80fffffe info1 0x0000000003f80000 ' +
      'info2 0x0000000000000000 intr_info 0x00000000 error_code 0x00000000\n' +
      '         a_guest     2 [001] 12.000002845: kvm:kvm_entry: vcpu 1, rip 0xffffffff81000000\n',
  );
});

test('a call chain stands under its exit, named, and an empty line ends it', () => {
  const names = new Map([
    [0xffff_ffff_80ff_fffen, 'inb+0x1e'],
    [0x4000n, 'main'],
  ]);
  const text = perfText('a guest', (address) => names.get(address))(
    ...record({ code: 'e471', stack: ['0xffffffff80000010', '0x4000'], cpl: 3 }),
  );
  assert.equal(text.split('\n').slice(1, 5), [
    '\tffffffff80fffffe inb+0x1e ([guest.kernel.kallsyms])',
    '\tffffffff80000010 [unknown] ([guest.kernel.kallsyms])',
    '\t            4000 main ([unknown])',
    '',
  ]);
  assert.match(text, /^a_guest {5}2 \[001\] 12\.000000345: kvm:kvm_exit: /);
  assert.match(text, /\n\na_guest {5}2 \[001\] 12\.000002845: kvm:kvm_entry: [^\n]*\n$/);
});

/** Programs that make flame graphs of what perf script prints know events and the frames under them by these forms. */
test('what flame graphs are made of is found in it', () => {
  const text = perfText('a guest', () => 'inb+0x1e')(...record({ code: 'e471', stack: ['0xffffffff80000010'] }));
  const folded: string[] = [];
  let stack: string[] = [];
  for (const line of text.trimEnd().split('\n')) {
    const event = /^(\S+\s*?\S*?)\s+(\d+)\s/.exec(line);
    const frame = /^\s*(\w+)\s*(.+) \((\S*)\)/.exec(line);
    if (line === '' && stack.length > 0) folded.push(stack.splice(0).join(';'));
    else if (event !== null) stack = [event[1] as string];
    else if (frame !== null) stack.splice(1, 0, frame[2] as string);
    else assert.is(line, '');
  }
  assert.equal(folded, ['a_guest;inb+0x1e;inb+0x1e']);
});

test('an exit is lines of trace-cmd report, with what it was about', () => {
  const said: [object, string[]][] = [
    [
      { value: '0x41', injected: 0xec },
      ['kvm_pio:              pio_write at 0x3f8 size 1 count 1 val 0x41 ', 'kvm_inj_virq:         IRQ 0xec'],
    ],
    [{ qualification: '0x71004b', value: '0x1234' }, ['kvm_pio:              pio_read at 0x71 size 4 count 1 val 0x1234 ']],
    [{ qualification: '0x71004b' }, []],
    [{ reason: 'MSR_WRITE', msr: '0xc0000080', value: '0xd0100000000' }, ['kvm_msr:              msr_write c0000080 = 0xd0100000000']],
    [{ reason: 'MSR_READ', msr: '0x10', value: '0x5' }, ['kvm_msr:              msr_read 10 = 0x5']],
    [{ reason: 'CR_ACCESS', qualification: '0x3', value: '0x1000' }, ['kvm_cr:               cr_write 3 = 0x1000']],
    [{ reason: 'CR_ACCESS', qualification: '0x18', value: '0x2' }, ['kvm_cr:               cr_read 8 = 0x2']],
    [
      { reason: 'APIC_ACCESS', qualification: '0x10b0', gpa: '0xfee000b0', value: '0x0' },
      ['kvm_mmio:             mmio write len 4 gpa 0xfee000b0 val 0x0'],
    ],
    [
      { reason: 'EPT_VIOLATION', qualification: '0x1aa', gpa: '0x1234' },
      ['kvm_page_fault:       vcpu 1 rip 0xffffffff80fffffe address 0x0000000000001234 error_code 0x100000003'],
    ],
    [
      { reason: 'EPT_VIOLATION', qualification: '0x84', gpa: '0x1234' },
      ['kvm_page_fault:       vcpu 1 rip 0xffffffff80fffffe address 0x0000000000001234 error_code 0x200000010'],
    ],
    [{ reason: 'CPUID', leaf: '0x7', value: '0x0' }, []],
  ];
  for (const [more, events] of said) {
    const [view, at] = record(more);
    const lines = traceText('a guest')(view, at).split('\n');
    assert.is(lines.pop(), '');
    assert.match(
      lines[0] as string,
      /^ {9}a_guest-2 {5}\[001\] {4}12\.000000345: kvm_exit: {13}vcpu 1 reason \w+ rip 0xffffffff80fffffe info1 0x[0-9a-f]{16} info2 0x[0-9a-f]{16} intr_info 0x00000000 error_code 0x00000000$/,
    );
    assert.is(lines.at(-1), '         a_guest-2     [001]    12.000002845: kvm_entry:            vcpu 1, rip 0xffffffff81000000');
    assert.equal(
      lines.slice(1, -1).map((line) => line.replace(/^ {9}a_guest-2 {5}\[001\] {4}12\.00000\d{4}: /, '')),
      events,
    );
  }
  assert.is(traceHeader(2), 'cpus=2\n');
});

test('an exception has its information, and its error code only when it has one', () => {
  const one = (interruption: string, more: object): string => perfText('g')(...record({ reason: 'EXCEPTION_NMI', interruption, ...more }));
  assert.match(one('0x80000b0e', { errorCode: '0x2' }), /intr_info 0x80000b0e error_code 0x00000002\n/);
  assert.match(one('0x80000306', { errorCode: '0x2' }), /intr_info 0x80000306 error_code 0x00000000\n/);
});

test.run();
