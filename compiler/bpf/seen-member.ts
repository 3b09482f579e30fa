/** One member of a struct of the kernel's that programs see. */
export interface SeenMember {
  /** The kernel's name. */
  readonly member: string;
  /** What it is if not a number in the host's order. */
  readonly as?: "be16" | "be32" | "tcp-state";
  /** Kept shifted left by 3. */
  readonly eighths?: true;
}
/** A number, as it is. */
export const plain = (member: string): SeenMember => ({ member });
