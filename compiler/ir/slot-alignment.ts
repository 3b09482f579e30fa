/** Slots lie at the largest power of two that their size reaches, so that they can be written in wide pieces. */
export const slotAlignment = (size: number, align: number): number =>
  Math.max(align, size >= 8 ? 8 : size >= 4 ? 4 : size >= 2 ? 2 : 1);
