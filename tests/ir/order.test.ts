import { describe, expect, test } from "vitest";
import { kernels } from "../../compiler/bpf/kernels.ts";
import { INVARIANTS, type Invariant } from "../../compiler/passes/invariants.ts";
import { GROUPS, orderProblems, PASSES, STEPS, type Group } from "../../compiler/passes/order.ts";
import { builds, compileProgram } from "../programs.ts";

/** The list with the passes of one group as a function makes them. */
const changed = (name: string, change: (passes: Group["passes"]) => Group["passes"]): Group[] =>
  GROUPS.map((group) => (group.name === name ? { ...group, passes: change(group.passes) } : group));
const without = (name: string, pass: string): Group[] =>
  changed(name, (passes) => passes.filter((one) => one.name !== pass));

describe("the order of passes", () => {
  test("is right", () => expect(orderProblems(GROUPS)).toEqual([]));

  test("is refused when a pass stands before what it needs", () => {
    const swapped = changed("expansion", ([inline, simplify, unroll, ...rest]) => [
      unroll!,
      simplify!,
      inline!,
      ...rest,
    ]);
    expect(orderProblems(swapped)).toEqual(["expansion/unroll needs calls-decided: nothing before it makes that"]);
  });

  test("is refused when what a pass has broken is needed again", () => {
    const memory = changed("memory", (passes) => {
      const at = passes.findIndex(({ name }) => name === "lower-memory");
      return passes.filter((_, i) => i !== at);
    });
    expect(orderProblems(memory)).toContain(
      "memory/hoist-stores needs no-memory-ops: memory/dead-stores has broken it",
    );
  });

  test.each([
    ["lowering", "lower-switch", "the backend needs no-switches: nothing before it makes that"],
    ["lowering", "lower-division", "the backend needs no-signed-division: nothing before it makes that"],
    ["proofs", "prove", "lowering/lower-compare needs proved: nothing before it makes that"],
  ])("%s without %s is refused", (group, pass, problem) => {
    expect(orderProblems(without(group, pass))).toContain(problem);
  });

  test("stands on passes that cannot be switched off", () => {
    expect(PASSES.filter((pass) => pass.makes && !pass.required).map(({ name }) => name)).toEqual([]);
  });

  test("has a name and a reason for each group", () => {
    expect(new Set(GROUPS.map(({ name }) => name)).size).toBe(GROUPS.length);
    for (const { name, why } of GROUPS) expect(why, name).toMatch(/^[A-Z].*\.$/);
    // `--print-after` takes both.
    const passes = new Set(PASSES.map(({ name }) => name));
    expect(GROUPS.filter(({ name }) => passes.has(name))).toEqual([]);
  });
});

test.each(builds)("what the passes say of themselves is true of $name for $target", ({ name, target }) => {
  const holds = new Set<Invariant>();
  let step = -1;
  compileProgram(name, target, {
    afterPass: (pass, module) => {
      const now = STEPS[++step - 1];
      if (pass === "lower") return;
      expect(now?.pass.name).toBe(pass);
      for (const what of now!.pass.breaks ?? []) holds.delete(what);
      for (const what of now!.pass.makes ?? []) holds.add(what);
      for (const { func } of module.programs)
        for (const what of holds) expect(INVARIANTS[what](func, kernels[target]), `${what} after ${pass}`).toBe(true);
    },
  });
  expect(step).toBe(STEPS.length);
});
