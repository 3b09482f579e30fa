/** Options of experiments (RFC 6994): an identifier of 16 bits behind a kind that all of them share. */

/** The kind where a program does not say one. */
export const DEFAULT_EXPERIMENT_KIND = 254;
export const isExperimentKind = (kind: number): boolean => kind === 253 || kind === 254;

/** An experiment's identifier as the half-word that lies in memory. */
export const magicBits = (experiment: number): bigint => BigInt(((experiment & 0xff) << 8) | (experiment >> 8));
