/**
 * VM exits: each kind with its number, qualification, instruction length, addresses and interruption information (SDM vol. 3, appendix C and
 * section 28.2), and what does not exit. Which events exit is KVM's choice with EPT, unrestricted guest and TPR shadow.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { EXIT_REASON, parseIntercepts } from '../../vmm/index.ts';
import { CODE, FREE, Guest, type GuestOptions, HANDLERS, hex, le, SEL, TABLES, TSS } from './guest.ts';

interface Exit {
  readonly reason: number;
  readonly qualification?: number | bigint;
  readonly length: number;
  readonly gla?: number;
  readonly gpa?: number;
  /** Interruption information and error code. */
  readonly info?: number;
  readonly error?: number;
}

interface Case extends GuestOptions {
  readonly name: string;
  /** Instructions before the one that exits. */
  readonly before?: number;
  readonly intercept?: string;
  readonly setUp?: (g: Guest) => void;
  /** The one exit of the code; none when there is to be none. */
  readonly exit?: Exit;
}

const R = EXIT_REASON;
const IN = 8;
const STRING = 16;
const REP = 32;
const IMMEDIATE = 64;
const float = 'float';
const io = (port: number, size: number, bits: number): number => (size - 1) | bits | (port << 16);
const cr = (n: number, type: number, reg: number): number => n | (type << 4) | (reg << 8);
const VALID = 0x8000_0000;
const ERROR = 0x800;
const HARDWARE = 3 << 8;
const PRIVILEGED = 5 << 8;
const SOFTWARE = 6 << 8;
/** MOV ECX, index. */
const msr = (index: number): string => `b9 ${le(index, 4)}`;
const mov = (n: number, value: number): string => `${le(0xb8 + n, 1)} ${le(value, 4)}`;
const osxsave = (g: Guest): void => g.vcpu.setSregs({ cr4: g.vcpu.getSregs().cr4 | 0x40000n });

const CASES: Case[] = [
  { name: 'CPUID', code: '0f a2', exit: { reason: R.CPUID, length: 2 } },
  { name: 'HLT', code: 'f4', exit: { reason: R.HLT, length: 1 } },
  { name: 'INVD', code: '0f 08', exit: { reason: R.INVD, length: 2 } },
  { name: 'WBINVD', code: '0f 09', exit: { reason: R.WBINVD, length: 2 } },
  { name: 'VMCALL', code: '0f 01 c1', exit: { reason: R.VMCALL, length: 3 } },
  { name: 'VMCALL of a user', cpl: 3, code: '0f 01 c1', exit: { reason: R.VMCALL, length: 3 } },
  { name: 'XSETBV', setUp: osxsave, code: '0f 01 d1', exit: { reason: R.XSETBV, length: 3 } },
  { name: 'XSETBV without CR4.OSXSAVE: #UD only', code: '0f 01 d1' },
  { name: 'RDPMC', code: '0f 33', exit: { reason: R.RDPMC, length: 2 } },
  { name: 'RDPMC of a user: #GP only', cpl: 3, code: '0f 33' },
  { name: 'HLT of a user: #GP only', cpl: 3, code: 'f4' },

  {
    name: 'IN AL, imm',
    unclaimed: float,
    code: 'e4 71',
    exit: { reason: R.IO_INSTRUCTION, qualification: io(0x71, 1, IN | IMMEDIATE), length: 2 },
  },
  {
    name: 'IN AX, imm',
    unclaimed: float,
    code: '66 e5 71',
    exit: { reason: R.IO_INSTRUCTION, qualification: io(0x71, 2, IN | IMMEDIATE), length: 3 },
  },
  {
    name: 'IN EAX, imm',
    unclaimed: float,
    code: 'e5 71',
    exit: { reason: R.IO_INSTRUCTION, qualification: io(0x71, 4, IN | IMMEDIATE), length: 2 },
  },
  {
    name: 'OUT imm, AL',
    unclaimed: float,
    code: 'e6 80',
    exit: { reason: R.IO_INSTRUCTION, qualification: io(0x80, 1, IMMEDIATE), length: 2 },
  },
  {
    name: 'OUT imm, AX',
    unclaimed: float,
    code: '66 e7 80',
    exit: { reason: R.IO_INSTRUCTION, qualification: io(0x80, 2, IMMEDIATE), length: 3 },
  },
  {
    name: 'OUT imm, EAX',
    unclaimed: float,
    code: '48 e7 80',
    exit: { reason: R.IO_INSTRUCTION, qualification: io(0x80, 4, IMMEDIATE), length: 3 },
  },
  {
    name: 'IN AL, DX',
    unclaimed: float,
    before: 1,
    code: `${mov(2, 0x3fd)} ec`,
    exit: { reason: R.IO_INSTRUCTION, qualification: io(0x3fd, 1, IN), length: 1 },
  },
  {
    name: 'IN AX, DX',
    unclaimed: float,
    before: 1,
    code: `${mov(2, 0xcf8)} 66 ed`,
    exit: { reason: R.IO_INSTRUCTION, qualification: io(0xcf8, 2, IN), length: 2 },
  },
  {
    name: 'IN EAX, DX',
    unclaimed: float,
    before: 1,
    code: `${mov(2, 0xcf8)} ed`,
    exit: { reason: R.IO_INSTRUCTION, qualification: io(0xcf8, 4, IN), length: 1 },
  },
  {
    name: 'OUT DX, AL',
    unclaimed: float,
    before: 1,
    code: `${mov(2, 0xffff)} ee`,
    exit: { reason: R.IO_INSTRUCTION, qualification: 0xffff0000n, length: 1 },
  },
  {
    name: 'OUT DX, EAX',
    unclaimed: float,
    before: 1,
    code: `${mov(2, 0xcf8)} ef`,
    exit: { reason: R.IO_INSTRUCTION, qualification: io(0xcf8, 4, 0), length: 1 },
  },
  { name: 'OUT of a user: #GP only', cpl: 3, unclaimed: float, code: 'e6 80' },
  {
    name: 'OUT of a user whom the bit map lets',
    cpl: 3,
    unclaimed: float,
    setUp: (g) => g.put(TSS + 0x66, '68 00'),
    code: 'e6 80',
    exit: { reason: R.IO_INSTRUCTION, qualification: io(0x80, 1, IMMEDIATE), length: 2 },
  },
  {
    name: 'INSB',
    unclaimed: float,
    before: 2,
    code: `${mov(2, 0x60)} ${mov(7, FREE)} 6c`,
    exit: { reason: R.IO_INSTRUCTION, qualification: io(0x60, 1, IN | STRING), length: 1, gla: FREE },
  },
  {
    name: 'OUTSW',
    unclaimed: float,
    before: 2,
    code: `${mov(2, 0x60)} ${mov(6, FREE + 8)} 66 6f`,
    exit: { reason: R.IO_INSTRUCTION, qualification: io(0x60, 2, STRING), length: 2, gla: FREE + 8 },
  },
  {
    name: 'REP INSD',
    unclaimed: float,
    before: 3,
    code: `${mov(1, 1)} ${mov(2, 0x60)} ${mov(7, FREE)} f3 6d`,
    exit: { reason: R.IO_INSTRUCTION, qualification: io(0x60, 4, IN | STRING | REP), length: 2, gla: FREE },
  },
  { name: 'REP OUTSB of nothing: none', unclaimed: float, before: 1, code: `${mov(2, 0x60)} f3 6e` },

  { name: 'RDMSR', before: 1, code: `${msr(0xc000_0080)} 0f 32`, exit: { reason: R.MSR_READ, length: 2 } },
  { name: 'WRMSR', before: 1, code: `${msr(0x174 + 0x103)} 0f 30`, exit: { reason: R.MSR_WRITE, length: 2 } },
  { name: 'RDMSR that does not exist', before: 1, code: `${msr(0x4000_0000)} 0f 32`, exit: { reason: R.MSR_READ, length: 2 } },
  { name: 'RDMSR of a user: #GP only', cpl: 3, before: 1, code: `${msr(0xc000_0080)} 0f 32` },
  ...[0xc000_0100, 0xc000_0101, 0xc000_0102, 0x174, 0x175, 0x176].flatMap((index): Case[] => [
    { name: `RDMSR ${index.toString(16)}: passes`, before: 1, code: `${msr(index)} 0f 32` },
    { name: `WRMSR ${index.toString(16)}: passes`, before: 1, code: `${msr(index)} 0f 30` },
  ]),
  { name: 'RDMSR of the TSC: passes', before: 1, code: `${msr(0x10)} 0f 32` },
  { name: 'WRMSR to the TSC', before: 1, code: `${msr(0x10)} 0f 30`, exit: { reason: R.MSR_WRITE, length: 2 } },

  {
    name: 'MOV CR0: CD',
    before: 1,
    code: `${mov(0, 0xc001_0031)} 0f 22 c0`,
    exit: { reason: R.CR_ACCESS, qualification: cr(0, 0, 0), length: 3 },
  },
  {
    name: 'MOV CR0 from R9',
    before: 1,
    code: `41 b9 ${le(0x8000_0031, 4)} 41 0f 22 c1`,
    exit: { reason: R.CR_ACCESS, qualification: cr(0, 0, 9), length: 4 },
  },
  { name: 'MOV CR0: TS alone', before: 1, code: `${mov(0, 0x8001_0039)} 0f 22 c0` },
  {
    name: 'MOV CR0 that #GPs exits before it does',
    before: 1,
    code: `${mov(0, 0x8001_0030)} 0f 22 c0`,
    exit: { reason: R.CR_ACCESS, qualification: 0, length: 3 },
  },
  { name: 'MOV from CR0', code: '0f 20 c0' },
  { name: 'CLTS', code: '0f 06' },
  {
    name: 'LMSW: MP',
    before: 1,
    code: `${mov(3, 0x33)} 0f 01 f3`,
    exit: { reason: R.CR_ACCESS, qualification: cr(0, 3, 0) | (0x33 << 16), length: 3 },
  },
  { name: 'LMSW: TS alone', before: 1, code: `${mov(3, 0x39)} 0f 01 f3` },
  {
    name: 'LMSW from memory',
    before: 1,
    code: `c6 04 25 ${le(FREE, 4)} 33 0f 01 34 25 ${le(FREE, 4)}`,
    exit: { reason: R.CR_ACCESS, qualification: cr(0, 3, 0) | 64 | (0x33 << 16), length: 8, gla: FREE },
  },
  {
    name: 'MOV CR4: MCE',
    before: 1,
    code: `${mov(1, 0x660)} 0f 22 e1`,
    exit: { reason: R.CR_ACCESS, qualification: cr(4, 0, 1), length: 3 },
  },
  { name: 'MOV CR4: PVI DE PCE OSFXSR OSXMMEXCPT PGE TSD', before: 1, code: `${mov(1, 0x1ae)} 0f 22 e1` },
  { name: 'MOV CR3', before: 1, code: `${mov(0, TABLES)} 0f 22 d8` },
  {
    name: 'MOV CR3, intercepted',
    intercept: 'cr3',
    before: 1,
    code: `${mov(7, TABLES)} 0f 22 df`,
    exit: { reason: R.CR_ACCESS, qualification: cr(3, 0, 7), length: 3 },
  },
  {
    name: 'MOV from CR3, intercepted',
    intercept: 'cr3',
    code: '41 0f 20 df',
    exit: { reason: R.CR_ACCESS, qualification: cr(3, 1, 15), length: 4 },
  },
  { name: 'MOV CR8', before: 1, code: `${mov(0, 3)} 44 0f 22 c0` },
  {
    name: 'MOV CR8, intercepted',
    intercept: 'cr8',
    before: 1,
    code: `${mov(0, 3)} 44 0f 22 c0`,
    exit: { reason: R.CR_ACCESS, qualification: cr(8, 0, 0), length: 4 },
  },
  {
    name: 'MOV from CR8, intercepted',
    intercept: 'cr8',
    code: '44 0f 20 c2',
    exit: { reason: R.CR_ACCESS, qualification: cr(8, 1, 2), length: 4 },
  },
  { name: 'MOV CR of a user: #GP only', cpl: 3, intercept: 'cr3', code: '0f 20 d8' },

  { name: 'INVLPG', code: `0f 01 3c 25 ${le(FREE, 4)}` },
  {
    name: 'INVLPG, intercepted',
    intercept: 'invlpg',
    code: `0f 01 3c 25 ${le(FREE + 5, 4)}`,
    exit: { reason: R.INVLPG, qualification: FREE + 5, length: 8 },
  },
  { name: 'RDTSC', code: '0f 31' },
  { name: 'RDTSC, intercepted', intercept: 'rdtsc', code: '0f 31', exit: { reason: R.RDTSC, length: 2 } },
  { name: 'PAUSE', code: 'f3 90' },
  { name: 'PAUSE, intercepted', intercept: 'pause', code: 'f3 90', exit: { reason: R.PAUSE, length: 2 } },
  { name: 'NOP is not PAUSE', intercept: 'pause', code: '90' },
  { name: 'MOV DR7', code: '0f 23 f8' },
  {
    name: 'MOV DR7, intercepted',
    intercept: 'dr',
    code: '0f 23 fb',
    exit: { reason: R.DR_ACCESS, qualification: 7 | (3 << 8), length: 3 },
  },
  {
    name: 'MOV from DR6, intercepted',
    intercept: 'dr',
    code: '41 0f 21 f1',
    exit: { reason: R.DR_ACCESS, qualification: 6 | 16 | (9 << 8), length: 4 },
  },

  { name: '#UD', code: '0f 0b' },
  { name: '#UD, intercepted', intercept: 'ud', code: '0f 0b', exit: { reason: R.EXCEPTION_NMI, length: 0, info: VALID | HARDWARE | 6 } },
  { name: '#DE, intercepted', intercept: 'de', code: 'f7 f1', exit: { reason: R.EXCEPTION_NMI, length: 0, info: VALID | HARDWARE } },
  {
    name: '#GP, intercepted',
    intercept: 'gp',
    before: 1,
    code: `${mov(0, 0x1234)} 8e d8`,
    exit: { reason: R.EXCEPTION_NMI, length: 0, info: VALID | ERROR | HARDWARE | 13, error: 0x1234 },
  },
  {
    name: '#PF, intercepted',
    intercept: 'pf',
    setUp: (g) => g.put64(g.pte(FREE), 0),
    code: `88 04 25 ${le(FREE + 0x123, 4)}`,
    exit: { reason: R.EXCEPTION_NMI, qualification: FREE + 0x123, length: 0, info: VALID | ERROR | HARDWARE | 14, error: 2 },
  },
  { name: 'INT3, intercepted', intercept: 'bp', code: 'cc', exit: { reason: R.EXCEPTION_NMI, length: 1, info: VALID | SOFTWARE | 3 } },
  { name: 'INT1, intercepted', intercept: 'db', code: 'f1', exit: { reason: R.EXCEPTION_NMI, length: 1, info: VALID | PRIVILEGED | 1 } },
  { name: 'INT 3 of two bytes is no exception', intercept: 'bp', code: 'cd 03' },
  {
    name: 'INTO, intercepted',
    mode: 'paged32',
    intercept: 'of',
    before: 2,
    code: 'b0 7f fe c0 ce',
    exit: { reason: R.EXCEPTION_NMI, length: 1, info: VALID | SOFTWARE | 4 },
  },
  {
    name: '#DB by TF, intercepted',
    intercept: 'db',
    rflags: 0x102,
    code: '90',
    exit: { reason: R.EXCEPTION_NMI, qualification: 0x4000, length: 0, info: VALID | HARDWARE | 1 },
  },
  {
    name: '#DB by DR0, intercepted',
    intercept: 'db',
    setUp: (g) => g.vcpu.setDebugRegs({ db: [BigInt(CODE), 0n, 0n, 0n], dr7: 0x401n }),
    code: '90',
    exit: { reason: R.EXCEPTION_NMI, qualification: 1, length: 0, info: VALID | HARDWARE | 1 },
  },

  {
    name: 'far CALL to a task',
    mode: 'prot32',
    code: `9a 00 00 00 00 ${le(SEL.tss2, 2)}`,
    exit: { reason: R.TASK_SWITCH, qualification: SEL.tss2, length: 7 },
  },
  {
    name: 'far JMP to a task',
    mode: 'prot32',
    code: `ea 00 00 00 00 ${le(SEL.tss2, 2)}`,
    exit: { reason: R.TASK_SWITCH, qualification: 2 * 2 ** 30 + SEL.tss2, length: 7 },
  },
  {
    name: 'IRET to the task before',
    mode: 'prot32',
    rflags: 0x4002,
    setUp: (g) => {
      g.put(TSS, hex(le(SEL.tss2, 2)));
      g.put(0x1000 + SEL.tss2 + 5, '8b');
    },
    code: 'cf',
    exit: { reason: R.TASK_SWITCH, qualification: 2 ** 30 + SEL.tss2, length: 1 },
  },
  {
    name: 'INT through a task gate',
    mode: 'prot32',
    setUp: (g) => g.gate(0x40, 0, SEL.tss2, 0xe5),
    code: 'cd 40',
    exit: { reason: R.TASK_SWITCH, qualification: 3 * 2 ** 30 + SEL.tss2, length: 2 },
  },
  {
    name: 'an exception through a task gate',
    mode: 'prot32',
    setUp: (g) => g.gate(6, 0, SEL.tss2, 0xe5),
    code: '0f 0b',
    exit: { reason: R.TASK_SWITCH, qualification: 3 * 2 ** 30 + SEL.tss2, length: 0 },
  },

  {
    name: 'MMIO read',
    unclaimed: float,
    code: `8b 04 25 ${le(0x50_0010, 4)}`,
    exit: { reason: R.EPT_MISCONFIG, length: 7, gpa: 0x50_0010 },
  },
  {
    name: 'MMIO write',
    unclaimed: float,
    code: `88 04 25 ${le(0x50_0010, 4)}`,
    exit: { reason: R.EPT_MISCONFIG, length: 7, gpa: 0x50_0010 },
  },
  {
    name: 'MMIO read and write is one exit',
    unclaimed: float,
    code: `83 04 25 ${le(0x50_0010, 4)} 01`,
    exit: { reason: R.EPT_MISCONFIG, length: 8, gpa: 0x50_0010 },
  },
  {
    name: 'MMIO of 16 bytes, not aligned, is one exit',
    unclaimed: float,
    code: `0f 10 04 25 ${le(0x50_0013, 4)}`,
    exit: { reason: R.EPT_MISCONFIG, length: 8, gpa: 0x50_0013 },
  },
  {
    name: 'MOVS from device to device is one exit',
    unclaimed: float,
    before: 2,
    code: `${mov(6, 0x50_0010)} ${mov(7, 0x50_0020)} a5`,
    exit: { reason: R.EPT_MISCONFIG, length: 1, gpa: 0x50_0010 },
  },
  {
    name: 'MMIO in real mode',
    mode: 'real',
    memory: 0x10_0000,
    unclaimed: float,
    setUp: (g) => g.vm.setMemorySlots([{ gpa: 0, bytes: 0xa_0000, host: g.vm.ram.hostOf(0), readOnly: false }]),
    before: 2,
    code: 'b8 00 b8 8e d8 c6 06 10 00 41',
    exit: { reason: R.EPT_MISCONFIG, length: 5, gpa: 0xb_8010 },
  },
  {
    name: 'read of the APIC page',
    mode: 'prot32',
    setUp: (g) => void g.vm.createIrqchip(),
    code: `a1 ${le(0xfee0_0030, 4)}`,
    exit: { reason: R.APIC_ACCESS, qualification: 0x30, length: 5, gpa: 0xfee0_0030 },
  },
  {
    name: 'write of the APIC page',
    mode: 'prot32',
    setUp: (g) => void g.vm.createIrqchip(),
    code: `a3 ${le(0xfee0_0080, 4)}`,
    exit: { reason: R.APIC_ACCESS, qualification: 0x1080, length: 5, gpa: 0xfee0_0080 },
  },
  {
    name: 'read of x2APIC',
    setUp: (g) => {
      g.vm.createIrqchip();
      g.vcpu.setMsr(0x1b, 0xfee0_0d00n);
    },
    before: 1,
    code: `${msr(0x802)} 0f 32`,
    exit: { reason: R.MSR_READ, length: 2 },
  },
];

for (const c of CASES) {
  test(`${c.exit === undefined ? 'no exit' : 'exit'}: ${c.name}`, () => {
    const g = new Guest({ ...c, ...(c.intercept !== undefined && { intercepts: parseIntercepts(c.intercept) }) });
    // Whatever faults goes on in a loop that does not exit.
    for (let vector = 0; vector < 256; vector++) g.put(HANDLERS + 16 * vector, 'eb fe');
    c.setUp?.(g);
    g.touchAll();
    const before = c.before ?? 0;
    if (before > 0) assert.is(g.run(before).reason, 'intr');
    assert.equal(g.exits(), []);
    const rip = g.rip;
    g.run(before + 1);
    const s = g.vcpu.state;
    if (c.exit === undefined) {
      assert.equal(g.exits(), []);
      return;
    }
    const { reason, qualification = 0, length, gla, gpa, info, error } = c.exit;
    assert.equal(g.exits(), [
      {
        reason,
        rip: info === (VALID | HARDWARE | 1) >>> 0 || c.rflags === 0x102 ? g.exits()[0]?.rip : rip,
        qualification: BigInt(qualification),
        icount: g.exits()[0]?.icount,
      },
    ]);
    assert.is(g.count(reason), 1);
    assert.equal(
      { reason: s.number('EXIT_REASON'), qualification: s.get('EXIT_QUAL'), length: s.number('EXIT_INSN_LEN') },
      { reason, qualification: BigInt(qualification), length },
    );
    if (gla !== undefined) assert.is(s.number('EXIT_GLA'), gla, 'guest linear address');
    if (gpa !== undefined) assert.is(s.number('EXIT_GPA'), gpa, 'guest physical address');
    if (info !== undefined) assert.is(s.number('EXIT_INTR_INFO'), info >>> 0, 'interruption information');
    if (error !== undefined) assert.is(s.number('EXIT_INTR_ERROR'), error, 'interruption error code');
  });
}

test('exit: triple fault leaves run() as shutdown', () => {
  const g = new Guest({ code: '0f 0b' });
  g.touchAll();
  g.vcpu.setSregs({ idtr: { base: 0n, limit: 0 } });
  assert.is(g.run().reason, 'shutdown');
  assert.equal(g.exits(), [{ reason: R.TRIPLE_FAULT, rip: CODE, qualification: 0n, icount: 0 }]);
  assert.is(g.vcpu.state.number('EXIT_INSN_LEN'), 0);
  assert.is(g.run().reason, 'shutdown', 'and stays so');
  assert.is(g.count(R.TRIPLE_FAULT), 1);
});

test('a burst of REP OUTS or INS is one exit up to the end of the page, whatever else cuts it', () => {
  // 3000 bytes from 500h before a page's end: 1280, then 1720.
  for (const [op, from] of [
    ['6e', 6],
    ['6c', 7],
  ] as const) {
    const g = new Guest({ unclaimed: 'float', code: `${mov(1, 3000)} ${mov(2, 0x60)} ${mov(from, FREE + 0xb00)} f3 ${op} f4` });
    assert.is(g.run().reason, 'hlt');
    assert.is(g.count(R.IO_INSTRUCTION), 2);
    assert.is(g.vcpu.instructions, 3 + 3000 + 1);
    assert.is(g.vcpu.state.number('KS_INSN_EMULATION'), 2);
  }
});

test('the entry after a burst has the time of its last element, however it is cut', () => {
  // Two bytes up to the page's end, then the third one's burst, which goes on.
  for (const [op, from] of [
    ['6e', 6],
    ['6c', 7],
  ] as const) {
    for (const stops of [[6], [4, 5, 6], [5, 6]]) {
      const g = new Guest({ unclaimed: 'float', code: `${mov(1, 100)} ${mov(2, 0x60)} ${mov(from, FREE + 0xffe)} f3 ${op} f4` });
      g.touchAll();
      for (const limit of stops) assert.is(g.run(limit).reason, 'intr');
      const s = g.vcpu.state;
      assert.is(g.count(R.IO_INSTRUCTION), 2);
      assert.is(s.number('ENTRY_CLOCK'), 4 + s.number('CLOCK_OFFSET'), `${op} run to ${stops}`);
    }
  }
});

test('string I/O that faults at its first element is no entry', () => {
  for (const [op, from] of [
    ['6e', 6],
    ['6c', 7],
  ] as const) {
    const g = new Guest({ code: `${mov(2, 0x60)} ${mov(from, FREE)} 0f a2 ${mov(2, 0x60)} ${op}` });
    g.put64(g.pte(FREE), 0n);
    g.put(HANDLERS + 16 * 14, '90');
    g.touchAll();
    assert.is(g.run(4).reason, 'intr');
    const entry = g.vcpu.state.number('ENTRY_CLOCK');
    assert.is(g.run(5).reason, 'intr');
    assert.is(g.rip, HANDLERS + 16 * 14 + 1, 'a page fault');
    assert.is(g.vcpu.state.number('ENTRY_CLOCK'), entry, op);
  }
});

const READ = 1;
const WRITE = 2;
const FETCH = 4;
const GLA = 0x80;
const FINAL = 0x100;

test('EPT violations: each page once, at its first fetch, access or walk, with where and how', () => {
  const g = new Guest({
    code: `a0 ${le(FREE, 8)} a2 ${le(FREE, 8)} a2 ${le(FREE + 0x2000, 8)} a0 ${le(FREE + 0x2000, 8)} ${mov(0, 1)} e9 ${le(0xff0, 4)}`,
  });
  g.put64(g.pte(FREE + 0x2000), (FREE + 0x7000) | 7);
  g.put(CODE + 46 + 0xff0, 'f4');
  assert.is(g.run(3).reason, 'intr');
  const s = g.vcpu.state;
  assert.equal([s.number('EXIT_GLA'), s.number('EXIT_GPA'), s.number('EXIT_INSN_LEN')], [FREE + 0x2000, FREE + 0x7000, 0]);
  assert.is(g.run().reason, 'hlt');
  const walk = READ | GLA;
  assert.equal(
    g.exits([R.HLT]).map((e) => [e.reason, e.rip - CODE, Number(e.qualification)]),
    [
      [48, 0, walk],
      [48, 0, walk],
      [48, 0, walk],
      [48, 0, walk],
      [48, 0, FETCH | GLA | FINAL],
      [48, 0, READ | GLA | FINAL],
      [48, 18, WRITE | GLA | FINAL],
      [48, 46 + 0xff0, FETCH | GLA | FINAL],
    ],
  );
  assert.is(s.number('KS_PF_FIXED'), 8);
});

test('EPT violations: not for decoding ahead, DMA, debuggers, or device memory; an access across pages is two', () => {
  const g = new Guest({ unclaimed: 'float', code: `a1 ${le(FREE + 0xffe, 8)} a0 ${le(0x50_0000, 8)} f4` });
  g.put(FREE + 0x5000, '01 02');
  g.vm.ram.read(FREE + 0x6000, new Uint8Array(64));
  g.vcpu.readLinear(BigInt(FREE + 0x7000), 64);
  assert.is(g.run().reason, 'hlt');
  assert.equal(
    g.exits([]).map((e) => e.reason),
    [48, 48, 48, 48, 48, 48, 48, 49, 12],
  );
});

test('EPT violations: the PDPTEs that MOV CR3 loads have no linear address', () => {
  const g = new Guest({ mode: 'pae', code: `${mov(0, 0x1_8000)} 0f 22 d8 f4` });
  for (let page = 0; page < 4; page++)
    g.put(0x18000 + page * 0x1000, (g.vm.ram.view(TABLES + 0x1000 + page * 0x1000, 0x1000) as Uint8Array).slice());
  assert.is(g.run().reason, 'hlt');
  assert.ok(g.exits([]).some((e) => e.reason === 48 && e.qualification === BigInt(READ) && e.rip === CODE + 5));
});

test('the same exits, rips and counts whatever the first access is part of', () => {
  // Stores of a REP, pushes, a far pointer, SSE: each meets its page first in the middle of a line.
  const g = new Guest({
    code: `90 90 ${mov(1, 0x1800)} ${mov(7, FREE)} f3 aa 90 bc ${le(FREE + 0x8000, 4)} 50 90 0f 29 04 25 ${le(FREE + 0xa000, 4)} f4`,
  });
  assert.is(g.run().reason, 'hlt');
  assert.equal(
    g
      .exits([])
      .filter((e) => e.reason === 48)
      .slice(5)
      .map((e) => [e.rip - CODE, e.icount]),
    [
      [12, 4],
      [12, 4 + 0x1000],
      [20, 4 + 0x1800 + 2],
      [22, 4 + 0x1800 + 4],
    ],
  );
});

test.run();
