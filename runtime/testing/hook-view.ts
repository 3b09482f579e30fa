/** What views of exports are made from. */
import type { Loaded } from "./call.ts";

/** What the view of an export is made of. */
export interface HookViewParts {
  /** The exported constant. */
  readonly name: string;
  /** Its programs by hook; a hook without a handler has none. */
  readonly hooks: ReadonlyMap<string, Loaded>;
  /** What they have in common. */
  readonly shared: Omit<Loaded, "program">;
  /** Lines printed so far, by all programs of the module. */
  readonly logged: readonly string[];
}
