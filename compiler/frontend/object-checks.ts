/** What must hold of the whole object: names that stay apart in the kernel, one handler per kind, one map per pin, a license. */
import { ts } from "ts-morph";
import type { Span } from "../span.ts";
import { HOOKS } from "../bpf/kinds/index.ts";
import type { IrProgram } from "../ir/ir.ts";
import { licenseFix } from "./edits.ts";
import type { ProgramEntity } from "./entities.ts";
import { keptName, say, spanOf, type ModuleState } from "./module-state.ts";
import { bare } from "./lowering.ts";
import { PROGRAM_KINDS } from "./program-kinds.ts";

/** BPF_OBJ_NAME_LEN less the final zero: longer names are cut. */
const KERNEL_NAME = 15;

export function checkObject(
  state: ModuleState,
  programs: readonly ProgramEntity[],
  lowered: readonly IrProgram[],
  library: boolean,
): void {
  if (
    programs.length === 0 &&
    state.programs.length === 0 &&
    !library &&
    state.diagnostics.every((one) => !["empty-file", "default-export", "missing-import"].includes(one.key))
  ) {
    const { source } = state.project.files[0]!;
    say(
      state,
      "no-programs",
      { file: 0, start: 0, end: Math.min(1, source.text.length) },
      { makers: Object.keys(PROGRAM_KINDS) },
    );
  }
  if (programs.length > 0 && !state.license && state.diagnostics.every((one) => one.key !== "license"))
    say(state, "no-license", spanOf(programs[0]!.file, programs[0]!.node), { fix: licenseFix(programs[0]!.file) });
  names(
    state,
    "program",
    // Members of a struct are found by the struct.
    lowered
      .filter((one) => !one.implements)
      .map(({ func }) => ({ name: func.name, span: func.span, of: constantOf(func.name, programs) })),
  );
  const pinnedTwice = pins(state);
  names(
    state,
    "map",
    state.maps.filter((map) => !pinnedTwice.has(map)).map((map) => ({ name: map.spec.name, span: map.spec.span })),
  );
  names(
    state,
    "param",
    state.globals.filter((one) => one.param).map((one) => ({ name: one.name, span: one.span })),
    Infinity,
  );
  optionKinds(state, programs);
  gplOnly(state);
  if (programs.some(({ programKind }) => programKind === "pathManager")) namedAddresses(state);
}

/** The map that was filled by its name until there was session.localAddresses(). */
function namedAddresses(state: ModuleState): void {
  const map = state.maps.find(({ spec }) => spec.name === "localAddrs" && spec.type === "array");
  const fields = map?.value.kind === "struct" ? map.value.fields : [];
  if (fields.some(({ name }) => name === "addr" || name === "addr6"))
    say(state, "named-addresses", map!.spec.span, { name: map!.spec.name });
}

/** The constant whose hook a program is; undefined where it is the constant's only one. */
const constantOf = (program: string, constants: readonly ProgramEntity[]): string | undefined =>
  constants.find((one) => program !== one.name && HOOKS.some(({ suffix }) => program === `${one.name}${suffix}`))?.name;

const kept = (name: string, length: number): string => keptName(name).slice(0, length);

/** Reports the second of two names that the kernel cannot tell apart. */
function names(
  state: ModuleState,
  what: string,
  list: readonly { readonly name: string; readonly span: Span | undefined; readonly of?: string | undefined }[],
  length = KERNEL_NAME,
): void {
  const seen = new Map<string, (typeof list)[number]>();
  for (const one of list) {
    const cut = kept(one.name, length);
    const other = seen.get(cut);
    if (!other) seen.set(cut, one);
    else
      say(
        state,
        "name-collision",
        one.span,
        {
          what,
          name: one.name,
          other: other.name,
          cut,
          length: Number.isFinite(length) ? length : undefined,
          ...(one.of !== undefined && one.of === other.of ? { of: one.of } : {}),
        },
        other.span ? [{ span: other.span, text: `${other.name} is here` }] : [],
      );
  }
}

/** Maps are pinned by name: two with one name would be one map. Gives those that are reported. */
function pins(state: ModuleState): ReadonlySet<ModuleState["maps"][number]> {
  const twice = new Set<ModuleState["maps"][number]>();
  const seen = new Map<string, Span | undefined>();
  for (const map of state.maps) {
    const { spec } = map;
    if (!spec.pinned) continue;
    const name = kept(spec.name, Infinity);
    if (seen.has(name)) {
      const other = seen.get(name);
      twice.add(map);
      say(state, "pin-twice", spec.span, { name: spec.name }, other ? [{ span: other, text: "the other one" }] : []);
    } else seen.set(name, spec.span);
  }
  return twice;
}

/** Two programs of one object would both write, or both take, the same option. */
function optionKinds(state: ModuleState, programs: readonly ProgramEntity[]): void {
  const seen = new Map<string, { program: ProgramEntity; node: ts.Node }>();
  for (const program of programs) {
    if (program.programKind === "pathManager") {
      const other = seen.get("path manager");
      if (other) {
        say(
          state,
          "path-manager-twice",
          spanOf(program.file, program.node),
          { name: program.name, other: other.program.name },
          [{ span: spanOf(other.program.file, other.program.node), text: "the other one" }],
        );
      } else seen.set("path manager", { program, node: program.node });
    }
    if (program.programKind !== "tcpOption") continue;
    const claimed = claim(program);
    if (!claimed) continue;
    const other = seen.get(claimed.what);
    if (other) {
      say(
        state,
        "kind-twice",
        spanOf(program.file, claimed.node),
        { what: claimed.what, name: program.name, other: other.program.name },
        [{ span: spanOf(other.program.file, other.node), text: `${other.program.name} has it already` }],
      );
    } else seen.set(claimed.what, { program, node: claimed.node });
  }
}

/** "kind 66", or "experiment 0xda01", as written in the declaration. */
function claim(program: ProgramEntity): { what: string; node: ts.Node } | undefined {
  const argument = program.call.arguments[0];
  const literal = argument && bare(argument);
  if (!literal || !ts.isObjectLiteralExpression(literal)) return undefined;
  const number = (name: string): { value: number; node: ts.Node } | undefined => {
    const property = literal.properties.find((one) => one.name && ts.isIdentifier(one.name) && one.name.text === name);
    const value = property && ts.isPropertyAssignment(property) ? bare(property.initializer) : undefined;
    return value && ts.isNumericLiteral(value) ? { value: Number(value.text), node: property! } : undefined;
  };
  const experiment = number("experiment");
  if (experiment) return { what: `experiment 0x${experiment.value.toString(16)}`, node: experiment.node };
  const kind = number("kind");
  return kind && { what: `kind ${kind.value}`, node: kind.node };
}

/** bpf_trace_printk is for GPL-compatible programs only. */
function gplOnly(state: ModuleState): void {
  if (state.license?.id !== "Proprietary") return;
  const format = state.globals.find((one) => one.name.startsWith("fmt") && one.section === ".rodata" && !one.param);
  if (format) say(state, "needs-gpl", format.span, { what: "log" });
}
