/**
 * Random 64-bit programs for property tests: from one number, always the same code, made of everything whose count, time or order could go
 * wrong: loops, fused compares, repeated strings, calls, first accesses to pages, faults, stores into the code ahead, exits.
 *
 * Registers: RSI and RDI point into free memory, RSP is the stack, RCX counts; the rest is data. #UD skips two bytes, INT 30h returns, NMI counts
 * itself; the program ends with HLT.
 *
 * @module
 */
import { CODE, FREE, type Guest, HANDLERS, hex, le } from '../vmm/guest.ts';

/** Numbers below `n` from a seed (xorshift32). */
export function numbers(seed: number): (n: number) => number {
  let x = (seed * 2654435761) >>> 0 || 1;
  return (n) => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    x >>>= 0;
    return x % n;
  };
}

const DATA = [0, 2, 3, 8, 9, 10, 11] as const;
/** Where the NMI handler counts. */
export const NMI_COUNT = FREE + 0xff000;

/** ModRM with REX.W for two of the data registers. */
function registers(opcode: string, reg: number, rm: number): string {
  return le(0x48 | ((reg >> 3) << 2) | (rm >> 3), 1) + opcode + le(0xc0 | ((reg & 7) << 3) | (rm & 7), 1);
}

function memory(opcode: string, reg: number, displacement: number): string {
  return le(0x48 | ((reg >> 3) << 2), 1) + opcode + le(0x86 | ((reg & 7) << 3), 1) + le(displacement, 4);
}

function piece(pick: (n: number) => number, depth: number): string {
  const reg = (): number => DATA[pick(DATA.length)] as number;
  const op = () => le(pick(8) * 8 + 1, 1);
  const count = () => 'b9' + le(pick(50) + 1, 4);
  switch (pick(depth > 0 ? 23 : 25)) {
    case 0:
    case 1:
    case 2:
      return registers(op(), reg(), reg());
    case 3:
      return memory(op(), reg(), pick(0x1ff0));
    case 4:
      return memory('8b', reg(), pick(0x1ff0));
    case 5:
      return memory('89', reg(), 0xffc + pick(8));
    case 6:
      return '4883f8' + le(pick(256), 1) + le(0x70 + pick(16), 1) + '03' + registers('31', reg(), reg());
    case 7:
      return registers('85', reg(), reg()) + le(0x74 + pick(2), 1) + '02' + '0f0b';
    case 8:
      return '50' + '5b' + '9c' + '9d';
    case 9:
      return count() + 'bf' + le(FREE + pick(0x3000), 4) + 'f3' + (pick(2) ? 'aa' : '48ab');
    case 10:
      return (
        count() +
        'be' +
        le(FREE + pick(0x1000), 4) +
        'bf' +
        le(FREE + pick(0x2000), 4) +
        'f3' +
        (pick(2) ? 'a4' : '48a5') +
        'be' +
        le(FREE, 4)
      );
    case 11:
      return count() + 'be' + le(FREE, 4) + 'bf' + le(FREE + pick(64), 4) + 'f3a6' + 'be' + le(FREE, 4);
    case 12:
      return '0fa2';
    case 13:
      return '0f31' + registers('01', 0, reg());
    case 14:
      return 'e4' + le(pick(256), 1);
    case 15:
      return 'e6' + le(pick(256), 1);
    case 16:
      return 'e802000000' + 'eb01' + 'c3';
    case 17:
      return 'c60501000000' + le(pick(256), 1) + 'b000';
    case 18:
      return '0f0b';
    case 19:
      return 'cd30';
    case 20:
      return '48890425' + le(FREE + 0x1000 * pick(200) + 8 * pick(512), 4);
    case 21:
      return '48f7e3' + 'd1e8';
    case 22:
      // String I/O, at times across a page's end.
      return `${count()}ba${le(pick(256), 4)}be${le(FREE + 0xff0 * pick(2), 4)}bf${le(FREE + 0xff0 * pick(2), 4)}f3${le(0x6c + pick(4), 1)}be${le(FREE, 4)}`;
    default: {
      // A counted loop, its counter on the stack.
      let body = '';
      for (let i = pick(6); i >= 0; i--) body += piece(pick, depth + 1);
      body = `51${body}59ffc9`;
      return `b9${le(pick(12) + 1, 4)}${body}0f85${le(-(body.length / 2 + 6), 4)}`;
    }
  }
}

/** Code of about `pieces` pieces. */
export function randomCode(seed: number, pieces: number): Uint8Array {
  const pick = numbers(seed);
  let code = `be${le(FREE, 4)}bf${le(FREE + 0x800, 4)}`;
  for (let i = 0; i < pieces; i++) code += piece(pick, 0);
  return hex(`${code}f4`);
}

/** Puts the program and its handlers into the guest. */
export function load(guest: Guest, code: Uint8Array): void {
  guest.put(HANDLERS + 16 * 6, '48 83 04 24 02 48 cf');
  guest.put(HANDLERS + 16 * 0x30, '48 cf');
  guest.put(HANDLERS + 16 * 2, `48 ff 04 25 ${le(NMI_COUNT, 4)} 48 cf`);
  guest.enter({ code, at: CODE });
}
