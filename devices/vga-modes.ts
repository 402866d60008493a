/**
 * Register values of text mode 3 with 400 lines, and the palette that goes with it.
 *
 * Specification: IBM PS/2 Hardware Interface Technical Reference, "Video Subsystem", table of register values by mode. 720 by 400 dots at 70 Hz: 80 by 25
 * characters of 9 by 16.
 *
 * @module
 */

export const TEXT_MODE = {
  misc: 0x67,
  seq: [0x03, 0x00, 0x03, 0x00, 0x02],
  gc: [0x00, 0x00, 0x00, 0x00, 0x00, 0x10, 0x0e, 0x0f, 0xff],
  crtc: [
    0x5f, 0x4f, 0x50, 0x82, 0x55, 0x81, 0xbf, 0x1f, 0x00, 0x4f, 0x0d, 0x0e, 0x00, 0x00, 0x00, 0x00, 0x9c, 0x8e, 0x8f, 0x28, 0x1f, 0x96,
    0xb9, 0xa3, 0xff,
  ],
  // Palette registers name the colours of an enhanced colour display: 6 is brown, 38h and on are the bright ones.
  attr: [0x00, 0x01, 0x02, 0x03, 0x04, 0x05, 0x14, 0x07, 0x38, 0x39, 0x3a, 0x3b, 0x3c, 0x3d, 0x3e, 0x3f, 0x0c, 0x00, 0x0f, 0x08, 0x00],
} as const;

/** Red, green, blue of 6 bits: the 64 colours of an enhanced colour display, RGB by bits 2:0 at two thirds and by bits 5:3 at one third. */
export const TEXT_PALETTE: Uint8Array = (() => {
  const bytes = new Uint8Array(768);
  for (let colour = 0; colour < 64; colour++) {
    for (let c = 0; c < 3; c++) {
      const strong = (colour >> (2 - c)) & 1 ? 42 : 0;
      bytes[3 * colour + c] = strong + ((colour >> (5 - c)) & 1 ? 21 : 0);
    }
  }
  return bytes;
})();
