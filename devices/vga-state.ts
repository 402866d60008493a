/**
 * Where a VGA keeps what it is: one block of shared bytes with all registers and the four planes, so that a viewer in another thread reads the screen
 * without asking the guest's.
 *
 * @module
 */

/** Offsets in the block. Register files stand one after the other, each with room for all its indexes. */
export const VGA = {
  /** Miscellaneous output, feature control, adapter enable (3C2h, 3DAh, 3C3h). */
  MISC: 0x00,
  FEATURE: 0x01,
  ENABLE: 0x02,
  SEQ_INDEX: 0x04,
  GC_INDEX: 0x05,
  CRTC_INDEX: 0x06,
  /** Index of the attribute controller with bit 5, "palette address source". */
  ATTR_INDEX: 0x07,
  /** 1: the next write to 3C0h is data. */
  ATTR_FLIP: 0x08,
  DAC_MASK: 0x09,
  DAC_READ: 0x0a,
  DAC_WRITE: 0x0b,
  /** Which of red, green, blue comes next. */
  DAC_STEP: 0x0c,
  /** What 3C7h reads: 3 after the read index was set, 0 after the write index. */
  DAC_STATE: 0x0d,
  /** 1: the cells of B8000h-BFFFFh are in guest RAM, not in the planes. */
  TEXT_IN_RAM: 0x0e,
  LATCHES: 0x10,
  SEQ: 0x20,
  GC: 0x30,
  CRTC: 0x40,
  ATTR: 0x60,
  DAC: 0x100,
  DAC_END: 0x400,
  PLANES: 0x1000,
} as const;

export const PLANE_BYTES = 0x1_0000;
export const VGA_BYTES = VGA.PLANES + 4 * PLANE_BYTES;

/** The windows onto video memory. */
export const WINDOW = { gpa: 0xa_0000, bytes: 0x2_0000 } as const;
/** The colour text buffer, which is guest RAM while it is mapped the way text modes do. */
export const TEXT = { gpa: 0xb_8000, bytes: 0x8000 } as const;
