/** Random edits of a project: whatever was built before, the next build is the one that compiling gives. `EDITS=200` does more. */
import { mkdirSync, rmSync, symlinkSync } from "node:fs";
import { dirname } from "node:path";
import fc from "fast-check";
import { expect, test } from "vitest";
import { filesOf, Project } from "./project.ts";

const TURNS = Number(process.env["EDITS"] ?? 12);
const COMMANDS = [
  ["build", "--types", "src/main.ts"],
  ["build"],
  ["build", "src/plain.ts", "--btf", "kernel.btf"],
  ["check", "src/main.ts", "src/plain.ts"],
] as const;

const path = fc.constantFrom(...filesOf());
const source = fc.constantFrom(...filesOf().filter((one) => one.endsWith(".ts") && one !== "tsbpf.config.ts"));
/** Each as data, so that a failure can be read. */
const edit = fc.oneof(
  { weight: 4, arbitrary: fc.record({ renumber: source, number: fc.integer({ min: 1, max: 9 }) }) },
  { weight: 2, arbitrary: fc.record({ restore: path }) },
  { weight: 1, arbitrary: fc.record({ remove: path }) },
  { weight: 1, arbitrary: fc.record({ link: source, to: source }) },
  {
    weight: 3,
    arbitrary: fc.constantFrom(
      { write: "base.json", text: '{ "compilerOptions": { "noUnusedLocals": true } }' },
      { write: "src/tsconfig.json", text: "{}" },
      { write: "src/node_modules/shared/index.ts", text: 'export { limit as shared } from "../../lib/limit.ts";\n' },
      { write: "src/package.json", text: '{ "tsbpf": { "out": "deep", "types": true } }' },
      { write: "tsbpf.config.ts", text: 'export default { sources: ["src/**/*.ts"], out: "out", strict: true };\n' },
      { write: "src/spare.ts", text: "export const spare = 1;\n" },
      { write: "kernel.btf", text: "no types" },
      { write: "src/lib/limit.ts", text: "export const limit = ;\n" },
    ),
  },
);
type Edit = typeof edit extends fc.Arbitrary<infer T> ? T : never;
const step = fc.record({
  edits: fc.array(edit, { maxLength: 2 }),
  // By whom the times of the files say nothing: the launcher's first look is deceived.
  age: fc.boolean(),
  command: fc.constantFrom(...COMMANDS),
});

function apply(project: Project, one: Edit): void {
  if ("renumber" in one) {
    // It may be gone, or a link that leads nowhere.
    try {
      project.renumber(one.renumber, one.number);
    } catch {
      project.restore(one.renumber);
    }
  } else if ("restore" in one) project.restore(one.restore);
  else if ("remove" in one) project.remove(one.remove);
  else if ("write" in one) project.write(one.write, one.text);
  else {
    rmSync(project.at(one.link), { force: true });
    mkdirSync(dirname(project.at(one.link)), { recursive: true });
    symlinkSync(project.at(one.to), project.at(one.link));
  }
}

test("after any edits, a build with the cache is the build without it", () => {
  const project = new Project();
  try {
    let replays = 0;
    const steps = fc.sample(step, {
      numRuns: TURNS,
      ...(process.env["SEED"] ? { seed: Number(process.env["SEED"]) } : {}),
    });
    const done: unknown[] = [];
    for (const [turn, { edits, age, command }] of steps.entries()) {
      // Now and then all as it was: most edits break something, and what is broken is never kept.
      if (turn % 4 === 0) project.reset();
      for (const one of edits) apply(project, one);
      if (age) project.age();
      done.push({ edits, age, command });
      const story = () => JSON.stringify(done);
      const { replayed: _, ...first } = project.cached(command);
      expect(first, story()).toEqual(project.uncached(command));
      const { replayed, ...second } = project.cached(command);
      expect(second, story()).toEqual(first);
      // Nothing was edited in between; but the first may have made a folder for its objects, in which sources are looked for.
      if (first.code !== 0 || replayed) {
        if (replayed) replays++;
        continue;
      }
      const { replayed: atLast, ...third } = project.cached(command);
      expect(third, story()).toEqual(first);
      expect(atLast, story()).toBe(true);
    }
    expect(replays).toBeGreaterThan(0);
  } finally {
    project.close();
  }
}, 600_000);
