/**
 * What host.test.ts found, each by name: outcomes as this project's host showed them, and as the SDM has them where it says.
 *
 * Code runs at user level by every road of the core (host-core.ts), so these need no host.
 */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { RAX, RBP, RBX, RCX, RDI, RSI, RSP, Writer } from './host-code.ts';
import { HostCore, type Road, ROADS, RUNAWAY } from './host-core.ts';
import { DATA, FLAT32, FRAMES, LONG, type Mode, OUT, SEGMENTED16, SEGMENTED32, shape, STACK, STRINGS, type Window } from './host-layout.ts';
import { Random } from './host-random.ts';

const core = new HostCore();

/** RFLAGS.AC. */
const CHECKED = 0x40000;
const SS = 12;
const GP = 13;
const PF = 14;
const AC = 17;

interface Case {
  readonly mode?: Mode;
  readonly windows?: readonly Window[];
  readonly code: readonly number[];
  readonly registers?: Readonly<Record<number, bigint>>;
  readonly flags?: number;
  /** Address, value, bytes. */
  readonly memory?: readonly (readonly [number, bigint, number])[];
}

interface Outcome {
  readonly vector: number;
  readonly error: number;
  readonly cr2: number;
  /** Bytes from the code's beginning to where it stopped. */
  readonly length: number;
  readonly registers: readonly bigint[];
  byte(address: number): number;
}

/** Runs a case by one road. Registers that it does not name are 0; windows too. */
function run(c: Case, road: Road, on = core): Outcome {
  const windows = c.windows ?? FRAMES;
  const s = shape(c.mode ?? LONG, windows, 32);
  const w = new Writer(s, 1, new Random(1));
  w.begin();
  w.fillWindows(() => 0);
  w.flags = 0x202 | (c.flags ?? 0);
  for (let n = 0; n < 16; n++) w.set(n, c.registers?.[n] ?? 0n);
  for (const [address, value, bytes] of c.memory ?? []) w.poke(address, value, bytes);
  const start = w.rip;
  w.byte(...c.code);
  w.end(0);
  on.forget();
  const out = new Uint8Array(s.outputSize);
  if (road === 'again') on.run(s, w.inputs, 0, out, 0, 'line', true);
  on.run(s, w.inputs, 0, out, 0, road);
  const view = new DataView(out.buffer);
  return {
    vector: view.getUint32(OUT.VECTOR, true),
    error: view.getUint32(OUT.ERROR, true),
    cr2: Number(view.getBigUint64(OUT.CR2, true)),
    length: view.getUint32(OUT.RIP, true) - start,
    registers: Array.from({ length: 16 }, (_, n) => view.getBigUint64(8 * n, true)),
    byte: (address) => {
      let at = OUT.WINDOWS as number;
      for (const x of windows) {
        if (address >= x.address && address < x.address + x.length) return out[at + address - x.address] as number;
        at += x.length;
      }
      throw new Error('not in a window');
    },
  };
}

/** The same by every road. */
function everywhere(c: Case, check: (o: Outcome) => void): void {
  for (const road of ROADS) check(run(c, road));
}

/** The code ran to its end: to the HLT behind it. */
function completes(o: Outcome, c: Case): void {
  assert.is(o.vector, GP);
  assert.is(o.length, c.code.length);
}

/** It faulted at its beginning. */
function faults(o: Outcome, vector: number, error = 0): void {
  assert.equal([o.vector, o.error, o.length], [vector, error, 0]);
}

test('CMPXCHG of a 32-bit register that differs leaves the upper half of that register', () => {
  // cmpxchg ebx, ecx
  const c: Case = { code: [0x0f, 0xb1, 0xcb], registers: { [RAX]: 0xaaaa_0000_0001n, [RBX]: 0xbbbb_0000_0002n, [RCX]: 3n } };
  everywhere(c, (o) => {
    completes(o, c);
    assert.is(o.registers[RBX], 0xbbbb_0000_0002n);
    assert.is(o.registers[RAX], 2n);
  });
});

test('BT with a register through RSP raises #SS for an address that is not canonical', () => {
  // bts [rsp], rcx
  everywhere({ code: [0x48, 0x0f, 0xab, 0x0c, 0x24], registers: { [RSP]: BigInt(STACK), [RCX]: 1n << 61n } }, (o) => faults(o, SS));
});

test('a plain operand through RBP raises #SS for an address that is not canonical', () => {
  // mov [rbp + 8], al
  everywhere({ code: [0x88, 0x45, 0x08], registers: { [RBP]: 1n << 50n } }, (o) => faults(o, SS));
});

test('an operand that ends beyond the canonical addresses is #GP, though its beginning is missing', () => {
  // neg qword [rax]
  everywhere({ code: [0x48, 0xf7, 0x18], registers: { [RAX]: (1n << 47n) - 4n } }, (o) => faults(o, GP));
});

test('an address that is not canonical comes before its alignment', () => {
  everywhere({ code: [0x48, 0xf7, 0x18], registers: { [RAX]: (1n << 47n) + 1n }, flags: CHECKED }, (o) => faults(o, GP));
});

test('PUSH of memory completes when operand and stack want the same entry of the TLB', () => {
  const operand = DATA + 0x400;
  // push qword [rax]: pages DATA and STACK differ by a multiple of 1024.
  const c: Case = {
    code: [0xff, 0x30],
    registers: { [RAX]: BigInt(operand), [RSP]: BigInt(STACK + 0x40) },
    memory: [[operand, 0x1122334455667788n, 8]],
  };
  everywhere(c, (o) => {
    assert.is.not(o.vector, RUNAWAY);
    completes(o, c);
    assert.is(o.registers[RSP], BigInt(STACK + 0x38));
    assert.is(o.byte(STACK + 0x38), 0x88);
  });
});

test('CALL of memory completes when operand and stack want the same entry of the TLB', () => {
  const operand = DATA + 0x400;
  // call qword [rax], to a place in the missing page
  const registers = { [RAX]: BigInt(operand), [RSP]: BigInt(STACK + 0x40) };
  everywhere({ code: [0xff, 0x10], registers, memory: [[operand, BigInt(DATA + 0x3000), 8]] }, (o) => {
    assert.is(o.vector, PF);
    assert.is(o.cr2, DATA + 0x3000);
    assert.is(o.registers[RSP], BigInt(STACK + 0x38));
  });
});

test('ENTER with 32-bit operands on a 16-bit stack makes EBP all of ESP', () => {
  const c: Case = { mode: SEGMENTED32, code: [0xc8, 0x09, 0, 0], registers: { [RSP]: 0x2bdf0810n, [RBP]: 0x826n } };
  everywhere(c, (o) => {
    completes(o, c);
    assert.is(o.registers[RBP], 0x2bdf080cn);
    assert.is(BigInt.asUintN(32, o.registers[RSP] ?? 0n), 0x2bdf0803n);
  });
});

test('ENTER looks at its new top of stack with the operand size', () => {
  // enter 3, 0 with alignment checks: the push is aligned, the top is not.
  everywhere({ code: [0xc8, 0x03, 0, 0], registers: { [RSP]: BigInt(STACK + 0x800) }, flags: CHECKED }, (o) => faults(o, AC));
});

test('ENTER that copies places of its own frame is not begun twice', () => {
  // mov [rsp - 1], al; enter 6000h, 3: its last look is at a page that was never used before, when all is pushed to one that was. The third
  // push copies from where the fourth goes.
  const sp = STACK + 0xfff0;
  const c: Case = { code: [0x88, 0x44, 0x24, 0xff, 0xc8, 0, 0x60, 3], registers: { [RSP]: BigInt(sp), [RBP]: BigInt(sp - 16) } };
  for (const road of ROADS) {
    const o = run(c, road, new HostCore());
    completes(o, c);
    assert.is(o.byte(sp - 24), 0);
    assert.is(o.byte(sp - 32), (sp - 8) & 0xff);
  }
});

test('PUSHA reports the address of its first push when all of them fault', () => {
  // In a page that can only be read.
  everywhere({ mode: FLAT32, code: [0x60], registers: { [RSP]: BigInt(STACK + 0x2030) } }, (o) => {
    faults(o, PF, 7);
    assert.is(o.cr2, STACK + 0x202c);
  });
});

test('BOUND checks its two operands one by one, the second at an offset that wraps', () => {
  // bound eax, [bx]: the lower bound at the segment's end, the upper one at its beginning.
  const c: Case = {
    mode: SEGMENTED16,
    windows: STRINGS,
    code: [0x66, 0x62, 0x07],
    registers: { [RBX]: 0xfffcn, [RAX]: 5n },
    memory: [
      [DATA + 0xfffc, 1n, 4],
      [DATA, 9n, 4],
    ],
  };
  everywhere(c, (o) => completes(o, c));
});

test('MOVS reads its source before it looks at its target', () => {
  // rep movsd to beyond the limit of ES, from a missing page
  const c: Case = { mode: SEGMENTED32, code: [0xf3, 0xa5], registers: { [RSI]: 0x3000n, [RDI]: 0x2ff0n, [RCX]: 4n } };
  everywhere(c, (o) => {
    faults(o, PF, 4);
    assert.is(o.cr2, DATA + 0x3000);
  });
});

test('REP with a 32-bit counter leaves its upper half when the first iteration faults', () => {
  const registers = { [RSI]: BigInt(DATA + 0x3000), [RDI]: BigInt(DATA + 0x400), [RCX]: 0xffffffff_00000030n };
  everywhere({ code: [0x67, 0xf3, 0xa5], registers }, (o) => {
    faults(o, PF, 4);
    assert.is(o.registers[RCX], 0xffffffff_00000030n);
  });
});

test.run();
