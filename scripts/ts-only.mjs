// Stands in for "ts-morph" in the bundles: the frontend uses only the compiler that ts-morph ships. Leaving its wrapper
// and its copies of the standard libraries out halves the bundle, and with it the time of a first run.
import ts from "../node_modules/@ts-morph/common/dist/typescript.js";
export { ts };
