/**
 * The answer to IDENTIFY PACKET DEVICE.
 *
 * Specification: ATA/ATAPI-6 (T13/1410D), 8.16, table 28; word numbers are the table's.
 *
 * @module
 */
import { putText, putWords } from './registers.ts';

const MODEL = 'LUCID CD-ROM';
const FIRMWARE = '1.0';

/** Writes the 512 bytes. */
export function identifyCdrom(into: Uint8Array, serial: string): void {
  const words = new Uint16Array(256);
  words[0] = 0x85c0; // packet device, CD-ROM, removable, asks for the packet within 50 us, packets of 12 bytes
  putText(words, 10, 10, serial);
  putText(words, 23, 4, FIRMWARE);
  putText(words, 27, 20, MODEL);
  words[49] = 0x0f00; // DMA, LBA, IORDY
  words[50] = 0x4000;
  words[53] = 0x0002; // words 64-70 are valid
  words[63] = 0x0407; // multiword DMA 0 to 2
  words[64] = 0x0003;
  words.fill(120, 65, 69);
  words[80] = 0x007e;
  words[82] = 0x4210; // NOP, DEVICE RESET, PACKET
  words[83] = 0x4000;
  words[84] = 0x4000;
  words[85] = 0x4210;
  words[87] = 0x4000;
  words[93] = 0x6001;
  putWords(into, words);
}
