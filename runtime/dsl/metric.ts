/** Metrics in Node: their definitions. What was counted is known to the kernel, or to `load` of tsbpf/testing. */
import { onlyInBytecode } from "./map-classes.ts";

interface Definition {
  readonly help: string;
  readonly type?: "counter" | "gauge";
  readonly label?: string;
  readonly values?: readonly string[];
}
export const metric = (
  name: string,
  definition: Definition,
): { readonly name: string; readonly definition: Definition; add(): never } => ({
  name,
  definition,
  add: () => onlyInBytecode("add() of a metric"),
});
