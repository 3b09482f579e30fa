/** Limits that no release of the kernel has changed (include/linux/filter.h, bpf_verifier.h). */

/** Frames of one chain of calls, the program's own included (MAX_CALL_FRAMES). */
export const MAX_FRAMES = 8;
/** Arguments of a helper, a kfunc or a function of the program's own: r1 to r5 (MAX_BPF_FUNC_REG_ARGS). */
export const MAX_REG_ARGUMENTS = 5;
/** Arguments of a function that a program stands for, a member of a struct of functions among them (MAX_BPF_FUNC_ARGS). */
export const MAX_FUNC_ARGUMENTS = 12;
