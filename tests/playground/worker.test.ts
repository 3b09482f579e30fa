/** What the playground's thread answers, without a browser. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { compileText, draftText, passDifference, passSteps } from "../../runtime/playground/worker/compilation.ts";
import { difference, folded } from "../../runtime/playground/worker/difference.ts";
import { examples } from "../../runtime/playground/worker/examples.ts";
import { EVENTS } from "../../runtime/playground/worker/play/events.ts";
import { play } from "../../runtime/playground/worker/play/play.ts";
import { verifiedPrograms } from "../../runtime/playground/worker/verifier.ts";
import { STEPS } from "../../compiler/passes/order.ts";
import { programNames, sourceText } from "../programs.ts";

describe("differences", () => {
  const texts = fc.array(fc.constantFrom("a", "b", "c", "d"), { maxLength: 30 });
  test("what was removed and what stayed are the text before, what was added and what stayed the text behind", () =>
    fc.assert(
      fc.property(texts, texts, (before, after) => {
        const changes = difference(before, after, (a, b) => a === b);
        const without = (kind: string): string[] => changes.flatMap((one) => (one.kind === kind ? [] : [one.item]));
        expect(without("added")).toEqual(before);
        expect(without("removed")).toEqual(after);
      }),
    ));
  test("as few as there can be", () => {
    const changes = difference([..."abcabba"], [..."cbabac"], (a, b) => a === b);
    expect(changes.filter(({ kind }) => kind !== "same")).toHaveLength(5);
  });
  test("texts that have nothing in common follow each other", () => {
    const before = Array.from({ length: 2000 }, (_, index) => `a${index}`);
    const after = Array.from({ length: 2000 }, (_, index) => `b${index}`);
    const changes = difference(before, after, (a, b) => a === b);
    expect(changes).toHaveLength(4000);
  });
  test("long stretches of the same are folded", () => {
    const lines = Array.from({ length: 50 }, (_, index) => `${index}`);
    const changes = difference(lines, lines.with(25, "x"), (a, b) => a === b);
    const shown = folded(changes, 2, (count) => `${count}`);
    expect(shown.map(({ kind, item }) => `${kind} ${item}`)).toEqual([
      "skipped 23",
      "same 23",
      "same 24",
      "removed 25",
      "added x",
      "same 26",
      "same 27",
      "skipped 22",
    ]);
  });
});

describe("examples", () => {
  test("are the bundled programs, and one that is refused", () =>
    expect(
      examples()
        .map(({ name }) => name.replace(/\.ts$/, ""))
        .sort(),
    ).toEqual([...programNames, "refused"].sort()));
  test.each(examples())("$name compiles, and plays its events", ({ name, text, events }) => {
    const { result, report } = compileText(text);
    const errors = report.diagnostics.filter(({ severity }) => severity === "error");
    expect(errors.map(({ key }) => key)).toEqual(name === "refused.ts" ? ["state-index"] : []);
    if (!result.module || !result.object) return;
    const { steps } = play(result.module, events === "" ? report.events : events);
    expect(steps.length).toBeGreaterThan(0);
    expect(steps.flatMap(({ problem }) => problem ?? [])).toEqual([]);
    expect(steps.some(({ ran }) => ran.length > 0)).toBe(true);
  });
});

describe("drafts", () => {
  const whole = ({ milliseconds: _, ...rest }: ReturnType<typeof compileText>["report"]) => rest;
  test.each(["fullmesh", "dctcp", "user-timeout"])("of %s become the whole, whatever was kept before", (name) => {
    const text = sourceText(name);
    const compiled = compileText(text);
    for (const before of [undefined, compiled, compileText(sourceText("vegas"))]) {
      const { report, finish } = draftText(text, before);
      expect(report).toMatchObject({
        draft: true,
        diagnostics: compiled.report.diagnostics,
        objectBytes: 0,
        object: [],
      });
      expect(report.bytecode.length).toBeGreaterThan(10);
      const finished = finish();
      expect(whole(finished.report)).toEqual(whole(compiled.report));
      expect(finished.result.object).toEqual(compiled.result.object);
    }
    // With the same functions kept, the whole has the same IR.
    expect(draftText(text, compiled).report.ir).toEqual(compiled.report.ir);
  });
  test("errors behind the frontend come with the whole", () => {
    const refused = examples().find(({ name }) => name === "refused.ts")!.text;
    const { report, finish } = draftText(refused, undefined);
    expect(report.diagnostics.filter(({ severity }) => severity === "error")).toEqual([]);
    expect(finish().report.diagnostics.map(({ key }) => key)).toContain("state-index");
  });
  test("errors of the frontend are all there is", () => {
    const { report, finish } = draftText("let x: never = 1;", undefined);
    expect(report.draft).toBeUndefined();
    expect(report.diagnostics.length).toBeGreaterThan(0);
    expect(finish().report).toBe(report);
  });
});

describe("passes", () => {
  const compilation = compileText(sourceText("user-timeout"));
  test("each stands there once, behind the program as it was written", () => {
    const steps = passSteps(compilation);
    expect(steps.map(({ group, pass }) => `${group}/${pass}`)).toEqual([
      "frontend/lower",
      ...STEPS.map(({ group, pass }) => `${group}/${pass.name}`),
    ]);
    expect(steps.some(({ changed }) => !changed)).toBe(true);
  });
  test("a step that changes nothing has no difference, one that does has", () => {
    const steps = passSteps(compilation);
    const changed = (index: number): boolean =>
      passDifference(compilation, index).some(({ kind }) => kind === "added" || kind === "removed");
    for (const [index, step] of steps.entries()) if (index > 0) expect(changed(index), step.pass).toBe(step.changed);
  });
});

describe("the verifier", () => {
  test("a refused program has its path, down to the instruction that is refused", () => {
    const { result } = compileText(examples().find(({ name }) => name === "refused.ts")!.text);
    const all = verifiedPrograms(result);
    expect(all.map(({ verdict }) => verdict)).toEqual(["reject", "accept", "accept"]);
    const refused = verifiedPrograms(result).find(({ verdict }) => verdict === "reject")!;
    expect(refused.problem).toBeDefined();
    const last = refused.path.at(-1)!;
    expect(last.state.map(([name]) => name)).toContain("R1");
    expect(last.line).toBe(14);
  });
  test("an accepted one has what is known before each instruction", () => {
    const { result } = compileText(sourceText("user-timeout"));
    const [program] = verifiedPrograms(result);
    expect(program!.verdict).toBe("accept");
    expect(program!.instructions[0]).toMatchObject({
      slot: 0,
      visits: 1,
      states: [
        [
          ["R1", "ctx"],
          ["R10", expect.anything()],
        ],
      ],
    });
  });
});

describe("events", () => {
  const playText = (name: string, events: string) => play(compileText(sourceText(name)).result.module!, events).steps;
  const wire = (steps: ReturnType<typeof playText>): readonly (readonly number[])[] =>
    steps.flatMap((step) => step.wire.map(({ options }) => options));
  test("bytes of an option, with a param", () => {
    const steps = playText("user-timeout", "param timeoutSeconds=1\nestablished client\nwrite # the first\n");
    expect(wire(steps)).toEqual([[0x1c, 4, 0, 1]]);
  });
  test("an option from one host to the other", () => {
    const steps = playText("user-timeout", "open delay=5\ntransfer client 3000");
    expect(steps.flatMap(({ problem }) => problem ?? [])).toEqual([]);
    expect(wire(steps)).toContainEqual([0x1c, 4, 0, 10]);
    expect(steps.at(-1)!.facts).toContainEqual(["TCP_USER_TIMEOUT (server)", "10000"]);
  });
  test("a path manager opens subflows in its session", () => {
    const steps = playText("ndiffports", "session token=7\nestablish\nsettle");
    expect(steps.at(-1)!.facts.filter(([title]) => title.startsWith("subflow")).length).toBeGreaterThan(0);
  });
  test("the clock moves", () => expect(playText("user-timeout", "clock 250").at(-1)!.now).toBe(250));
  test.each([
    ["sent 100", "there is no event sent; there is connecting"],
    ["send", "the number of bytes is missing"],
    ["send many", "many is no whole number"],
    ["send 1 window=3", "there is no window; there is localIp4"],
    ["established nobody", "there is no nobody; there is client, server"],
    ["parse 1c 0", "is not bytes in hexadecimal"],
    ["param other=1\nwrite", "the module has no param other"],
  ])("%s is an error with its reason", (events, reason) => {
    expect(playText("user-timeout", events).at(-1)!.problem).toContain(reason);
  });
  test("what is shown as usage can be played", () => {
    const of: Readonly<Record<(typeof EVENTS)[string]["of"], string>> = {
      any: "user-timeout",
      sock_ops: "user-timeout",
      "path-manager": "ndiffports",
      cgroup_sock_addr: "service-address",
      cgroup_sockopt: "buffer-sizes",
      tcp_congestion_ops: "reno",
      mptcp_sched_ops: "round-robin",
    };
    const first: Readonly<Record<string, string>> = {
      transfer: "open\n",
      close: "open\n",
      break: "session\nestablish\nsettle\n",
    };
    for (const [name, row] of Object.entries(EVENTS)) {
      const before = first[name] ?? (row.of === "path-manager" && name !== "session" ? "session\nestablish\n" : "");
      const steps = playText(of[row.of], `${before}${row.usage}`);
      expect(steps.at(-1)!.problem, row.usage).toBeUndefined();
    }
  });
});
