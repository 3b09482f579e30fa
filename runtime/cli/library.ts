/**
 * What `tsbpf/compiler`, `tsbpf/runtime` and `tsbpf/testing` take from the command's bundle, so that all lies in the package once: a module each,
 * made when it is asked for. scripts/library.mjs puts the modules in place of this, and writes the files of dist/ that ask.
 */
export const library: Readonly<Record<string, () => object>> = {};
