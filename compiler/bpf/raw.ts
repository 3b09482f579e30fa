/**
 * One 8-byte instruction slot, exactly as it lies in a program (RFC 9669 section 3.1). `lddw` takes two slots.
 * The verifier, the VM, the disassembler and the object reader work on slots; only the backend sees anything richer.
 */
export interface RawInsn {
  /** Opcode byte: class, and operation or size and mode. */
  readonly code: number;
  /** Destination register, 0 to 15 as encoded (only 0 to 10 are valid). */
  readonly dst: number;
  readonly src: number;
  /** Signed 16 bits. */
  readonly off: number;
  /** Signed 32 bits. */
  readonly imm: number;
}

export const SLOT_BYTES = 8;

/** Reads little-endian slots. The length must be a multiple of 8, else RangeError. */
export function decodeSlots(bytes: Uint8Array): RawInsn[] {
  if (bytes.length % SLOT_BYTES !== 0)
    throw new RangeError(`${bytes.length} bytes are not a whole number of 8-byte instructions`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const slots: RawInsn[] = [];
  for (let at = 0; at < bytes.length; at += SLOT_BYTES) {
    const registers = bytes[at + 1]!;
    slots.push({
      code: bytes[at]!,
      dst: registers & 0xf,
      src: registers >> 4,
      off: view.getInt16(at + 2, true),
      imm: view.getInt32(at + 4, true),
    });
  }
  return slots;
}

/** Writes little-endian slots; the inverse of decodeSlots. */
export function encodeSlots(slots: readonly RawInsn[]): Uint8Array {
  const bytes = new Uint8Array(slots.length * SLOT_BYTES);
  const view = new DataView(bytes.buffer);
  slots.forEach((slot, index) => {
    const at = index * SLOT_BYTES;
    bytes[at] = slot.code;
    bytes[at + 1] = (slot.src << 4) | slot.dst;
    view.setInt16(at + 2, slot.off, true);
    view.setInt32(at + 4, slot.imm, true);
  });
  return bytes;
}
