/** The JavaScript side of `tsbpf/config`. */

/** Gives back what it is given. */
export const defineConfig = <T>(config: T): T => config;

/** Gives back what it is given. */
export const defineService = <T>(service: T): T => service;
