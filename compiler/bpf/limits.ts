/** Limits that no release of the kernel has changed (include/linux/filter.h, bpf_verifier.h). */

/** Frames of one chain of calls, the program's own included (MAX_CALL_FRAMES). */
export const MAX_FRAMES = 8;
