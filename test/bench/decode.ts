/**
 * How fast code is decoded: straight-line 64-bit code that has never run, beside the same code once it is decoded.
 *
 * @module
 */
import process from 'node:process';
import { Guest, hex } from '../vmm/guest.ts';
import { type Row, sampleOf } from './measure.ts';

/** What compilers emit most: moves, address arithmetic, compares, loads and stores by every base; nothing that depends on what came before. */
const CODE = `
  48 89 f8       ; mov rax, rdi
  8b 54 24 08    ; mov edx, [rsp+8]
  48 8d 4c 10 20 ; lea rcx, [rax+rdx+32]
  41 89 d0       ; mov r8d, edx
  49 c1 e0 03    ; shl r8, 3
  4c 01 c1       ; add rcx, r8
  44 0f b6 4c 24 10 ; movzx r9d, byte [rsp+16]
  41 83 e1 0f    ; and r9d, 15
  89 54 24 0c    ; mov [rsp+12], edx
  48 81 c1 00 01 00 00 ; add rcx, 256
  31 c0          ; xor eax, eax
  41 39 d1       ; cmp r9d, edx
  0f 9c c0       ; setl al
  66 89 44 24 14 ; mov [rsp+20], ax
  48 c7 c6 10 00 00 00 ; mov rsi, 16
  85 d2          ; test edx, edx
  90             ; nop`;

const AT = 0x20_0000;
const BYTES = 1 << 20;
const SLIDE_END = 0xf4; // hlt

/** A guest with a MiB of that code and a HLT behind it. */
function guest(): { guest: Guest; instructions: number } {
  const piece = hex(CODE);
  const perPiece = CODE.trim().split('\n').length;
  const pieces = Math.floor(BYTES / piece.length);
  const code = new Uint8Array(pieces * piece.length + 1);
  for (let i = 0; i < pieces; i++) code.set(piece, i * piece.length);
  code[code.length - 1] = SLIDE_END;
  return { guest: new Guest({ mode: 'long', memory: 8 << 20, code, at: AT }), instructions: pieces * perPiece };
}

/** Nanoseconds to decode one instruction. */
export function benchDecode(runs: number): Row[] {
  const { guest: g, instructions } = guest();
  const pass = (): number => {
    const regs = g.vcpu.getRegs();
    g.vcpu.setRegs({ ...regs, rip: BigInt(AT) });
    // The last pass ended halted.
    g.vcpu.state.set('ACTIVITY', 0n);
    const before = process.cpuUsage();
    const exit = g.run();
    const used = process.cpuUsage(before);
    if (exit.reason !== 'hlt' || g.vcpu.getRegs().rip < AT + BYTES / 2)
      throw new Error(`decode: the guest ended with ${exit.reason} ${exit.detail}`);
    return ((used.user + used.system) * 1000) / instructions;
  };
  const values: number[] = [];
  // Until V8 has compiled the decoder, what is measured is V8.
  for (let round = -20; round < runs; round++) {
    g.vm.core.dropAllCode();
    const cold = pass();
    const warm = pass();
    if (round >= 0) values.push(cold - warm);
  }
  return [{ name: 'decode', unit: 'ns', lucid: sampleOf(values), note: 'for one instruction that was not decoded before' }];
}
