/**
 * What the verifiers of different releases track, and what they forget: data of the target's kernel. The releases are those whose
 * verdicts were compared with ours (stable releases: rules were carried back to them that their first versions did not have).
 */

/** Releases by age, the oldest first. */
export const RELEASES = ["5.10", "6.1", "6.12", "6.18"] as const;
export type Release = (typeof RELEASES)[number];
export const OLDEST: Release = RELEASES[0];
export const NEWEST: Release = RELEASES[RELEASES.length - 1]!;

/** A release of Linux as "major.minor", known or not. */
export type Version = `${number}.${number}`;
const read = new Map<Version, readonly [number, number]>();
function numbers(version: Version): readonly [number, number] {
  let found = read.get(version);
  if (!found) read.set(version, (found = version.split(".").map(Number) as [number, number]));
  return found;
}
/** Whether one version is the other, or newer. */
export function isAtLeast(version: Version, other: Version): boolean {
  const [[a, b], [c, d]] = [numbers(version), numbers(other)];
  return a > c || (a === c && b >= d);
}
/** The version in a release as text, "6.1" or "6.1.192-generic"; undefined where there is none. */
export function versionIn(text: string): Version | undefined {
  const found = /^(\d+)\.(\d+)(?:[.\-+_~].*)?$/.exec(text);
  return found ? `${Number(found[1])}.${Number(found[2])}` : undefined;
}

const since = (first: Release): readonly Release[] => RELEASES.slice(RELEASES.indexOf(first));

/** Each rule with the releases that have it. */
const RULES = {
  // Arithmetic.
  /** The result of `*`, `|` and `^` is followed where both operands are variable. */
  variableOperands: since("6.12"),
  /** The signed range of `&`, `|` and `^` follows from the unsigned one, whatever the operands' signs. */
  signsOfBitwise: since("6.12"),
  /** A product's range is followed where an operand may be negative or is wide. */
  signedProducts: since("6.18"),
  /** The bits of a product of unknown bits, by union instead of addition. */
  sharpProducts: since("6.18"),
  /** A sum whose ends both wrap around keeps its range. */
  wrappedSums: since("6.18"),
  negation: since("6.18"),
  /** Byte swaps keep track of bits. */
  byteSwaps: since("6.18"),
  /** A mask on a value that is all ones or all zeroes is followed as two constants. */
  splitsMasks: since("6.12"),
  // The stack.
  /** Frames count in steps of 16 bytes where programs are compiled; before, of 32, and an empty one as well. */
  framesBy16: since("6.12"),
  // What one kind of knowledge tells of another.
  /** 32-bit and 64-bit bounds sharpen each other at any time; before, one replaces the other after a comparison. */
  mixedWidths: since("6.12"),
  /** Bounds and bits that have one value in common make it known. */
  singleValues: since("6.18"),
  /** The lower half's bits are sharpened by the whole's bounds too. */
  lowBitsFromWhole: since("6.1"),
  /** Contradictions are noticed and forgotten. */
  repairs: since("6.12"),
  // Comparisons.
  /** Comparing two variables decides, and teaches both; before, only with a constant, or 64-bit equality. */
  comparedVariables: since("6.12"),
  /** A 32-bit comparison with 0 of a pointer that is not null decides. */
  narrowNullChecks: ["5.10", "6.1", "6.18"],
  /** A comparison with 0 as the left operand decides for a pointer that is not null too. */
  exchangedNullChecks: since("6.12"),
  /** A pointer that equals one that is not null is not null. */
  nullByEquality: since("6.12"),
  // Copies.
  /** 32-bit moves of small values stay linked with their source. */
  narrowLinks: since("6.12"),
  /** `r1 = r2; r1 += 4` stays linked. */
  sumLinks: since("6.12"),
  /** So do differences, negative sums and 32-bit sums. */
  differenceLinks: since("6.18"),
  /** At most six copies learn from a comparison. */
  fewLinks: since("6.12"),
  // The stack.
  /** Zeroes and numbers of which nothing is known are spilled like others, and linked with the register. */
  spillsAnything: since("6.12"),
  /** Numbers spilled in less than eight bytes learn with those that they are linked with. */
  narrowSpillLinks: since("6.12"),
  /** The low part of a spilled number can be read. */
  partialFills: since("6.12"),
  /** A store somewhere into a range leaves what is beside it in a spilled register readable. */
  scrubsWholeSlots: since("6.12"),
  /** Stack below everything that was written may be read (it holds anything). */
  readsDeepStack: since("6.1"),
  // The end.
  /** Return values are compared by their range, not by their bits. */
  returnsByRange: since("6.12"),
  // Instructions.
  /** A number may be stored into the context as it stands, not from a register alone. */
  storesImmediates: since("6.12"),
  /** Atomic operations other than addition, and those that fetch. */
  atomics: since("6.1"),
  /** Signed division, sign-extending moves and loads, bswap. */
  isaV4: since("6.12"),
  gotol: since("6.1"),
  mayGoto: since("6.12"),
  acquireRelease: since("6.18"),
  functionAddresses: since("6.1"),
  /** Helpers see keys and values in memory that was allocated (ring buffers). */
  keysInMemory: since("6.12"),
  /** A lookup in an array with a constant key inside of it is not null. */
  constantKeys: since("6.18"),
  /** bpf_get_smp_processor_id() is less than the number of processors. */
  processorRange: since("6.12"),
  /** BPF_F_TEST_REG_INVARIANTS. */
  invariantsFlag: since("6.12"),
  /** A loop is one only where nothing at all has changed on the way round. */
  exactLoops: since("6.12"),
  /** A loop may be entered otherwise than by a jump. */
  entersLoopsAnywhere: since("6.12"),
} as const satisfies Record<string, readonly Release[]>;

export type Rule = keyof typeof RULES;
export type Rules = Readonly<Record<Rule, boolean>>;

const tables = new Map<Release, Rules>(
  RELEASES.map((release) => [
    release,
    Object.fromEntries(
      Object.entries(RULES).map(([rule, releases]) => [rule, (releases as readonly Release[]).includes(release)]),
    ) as Record<Rule, boolean>,
  ]),
);

/** The release whose rules hold for a version: the newest known one that is not newer; undefined before the oldest. */
export const releaseOf = (version: Version): Release | undefined =>
  RELEASES.filter((known) => isAtLeast(version, known)).at(-1);
/** The rules of a version; before the oldest that is known, of that one. */
export const rulesOf = (version: Version): Rules => tables.get(releaseOf(version) ?? OLDEST)!;
/** The rules of the newest release. */
export const NEWEST_RULES = rulesOf(NEWEST);
