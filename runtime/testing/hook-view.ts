/** What views of exports are made from. */
import type { CgroupKindName, COMPILED } from "../../compiler/bpf/kinds/index.ts";
import type { OPS_STRUCTS, OpsStructName } from "../../compiler/bpf/kinds/struct-ops.ts";
import type { Loaded } from "./call.ts";

/** What decides how an export is seen: its kind, or the struct of functions that it is. */
export type Viewable = CgroupKindName | OpsStructName;
/** The names of its handlers, by which its programs are found. */
export type HandlerOf<V extends Viewable> = V extends OpsStructName
  ? keyof (typeof OPS_STRUCTS)[V]["members"]
  : V extends CgroupKindName
    ? keyof (typeof COMPILED)[V]["hooks"]
    : never;

/** What the view of an export is made of. */
export interface HookViewParts<V extends Viewable = Viewable> {
  /** The exported constant. */
  readonly name: string;
  /** Its programs by hook; a hook without a handler has none. */
  readonly hooks: ReadonlyMap<HandlerOf<V>, Loaded>;
  /** What they have in common. */
  readonly shared: Omit<Loaded, "program">;
  /** Lines printed so far, by all programs of the module. */
  readonly logged: readonly string[];
}
