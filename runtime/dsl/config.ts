/** The JavaScript side of `tsbpf/config`. */

/** Gives back what it is given. */
export const defineConfig = <T>(config: T): T => config;
