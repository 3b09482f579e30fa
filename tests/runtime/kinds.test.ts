/** The rows of kinds that are attached to cgroups against this kernel, and against bpftool: whether it is found, and what its hooks are called. */
import { execFileSync, spawnSync } from "node:child_process";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { COMPILED, HOOKS, KIND_NAMES, onCgroups, returnRange } from "../../compiler/bpf/kinds/index.ts";
import { FEATURES, type Feature } from "../../compiler/bpf/kernels.ts";
import { closeFd } from "../../runtime/kernel/fd.ts";
import { programInfo } from "../../runtime/kernel/info.ts";
import { programsOf } from "../../runtime/kernel/neighbours.ts";
import { probe } from "../../runtime/kernel/probe.ts";
import { loadProgram } from "../../runtime/kernel/program.ts";
import { exit, movImm } from "./hand-made.ts";
import { openLab, whyNot, type Lab } from "./lab.ts";

const skip = whyNot() ?? (spawnSync("bpftool", ["version"]).error ? "no bpftool" : undefined);
const title = skip ? `kinds of programs (skipped: ${skip})` : "kinds of programs";

describe.skipIf(skip !== undefined)(title, () => {
  let lab: Lab;
  beforeAll(() => {
    lab = openLab();
  });
  afterAll(() => lab.close());

  it.each(KIND_NAMES.filter(onCgroups))("%s is found on this kernel", (kind) => {
    const { needs } = COMPILED[kind];
    expect(probe(needs)).toEqual({ ok: true });
  });

  it("answers for every feature, and knows by a number of its own what one kind needs", () => {
    const answers = (Object.keys(FEATURES) as Feature[]).map((feature) => [feature, typeof probe(feature).ok]);
    expect(answers.filter(([, type]) => type !== "boolean")).toEqual([]);
    const needs = KIND_NAMES.filter(onCgroups).map((kind) => COMPILED[kind].needs);
    expect(new Set(needs).size).toBe(needs.length);
  });

  it.each(HOOKS.map((hook) => [hook.section, hook] as const))(
    "bpftool attaches programs of %s by the row's name",
    (_, hook) => {
      const cgroup = lab.cgroup(hook.bpftool);
      const loaded = loadProgram({
        name: "named",
        type: COMPILED[hook.kind].number,
        attachType: hook.attach,
        insns: [movImm(0, returnRange(hook.kind, hook.attach)?.[0] ?? 0), exit],
        license: "GPL",
      });
      if (!("fd" in loaded)) throw new Error(loaded.log);
      try {
        const { id } = programInfo(loaded.fd);
        execFileSync("bpftool", ["cgroup", "attach", cgroup, hook.bpftool, "id", String(id)], { stdio: "pipe" });
        expect(programsOf(cgroup).map((one) => [one.programId, one.hook.bpftool])).toEqual([[id, hook.bpftool]]);
        execFileSync("bpftool", ["cgroup", "detach", cgroup, hook.bpftool, "id", String(id)], { stdio: "pipe" });
        expect(programsOf(cgroup)).toEqual([]);
      } finally {
        closeFd(loaded.fd);
      }
    },
  );
});
