/**
 * TypeScript, for the package's other modules: they take it from the command's bundle, so that it lies in the package once.
 * scripts/typescript-module.mjs puts in its place what they use of it.
 */
export { ts as typescript } from "ts-morph";
