// What the generated pages of the documentation say comes from a bundle of the sources, which has to run by itself.
import { execFileSync } from "node:child_process";
import { expect, it } from "vitest";
import { repository } from "../runtime/repository.ts";

const SCRIPT = `
import { factsOf } from "./scripts/docs/bundle.mjs";
const facts = await factsOf(process.cwd());
console.log(JSON.stringify({ commands: facts.commands().map(({ path }) => path.join(" ")), maps: facts.maps() }));
`;

it("the facts of the documentation's tables are bundled, and told", () => {
  const out = execFileSync(process.execPath, ["--input-type=module", "-e", SCRIPT], {
    cwd: repository,
    encoding: "utf8",
  });
  const { commands, maps } = JSON.parse(out) as { readonly commands: readonly string[]; readonly maps: object };
  expect(commands).toEqual(expect.arrayContaining(["build", "metrics", "serve reload"]));
  expect(JSON.stringify(maps)).toContain("HashMap");
});
