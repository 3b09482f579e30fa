/** What the editor of the playground offers, and what it says of a name. */
import { expect, test } from "vitest";
import { completionsAt, nameAt } from "../../compiler/frontend/completions.ts";
import { declarations } from "../../compiler/frontend/declarations.generated.ts";

const HEAD = `import { license, u32, htons } from "tsbpf";
import { tcpOption, TcpState } from "tsbpf/tcp";
license("GPL");
`;
/** Names that are offered where the text has a bar. */
function offered(text: string): readonly string[] {
  const at = text.indexOf("|");
  const found = completionsAt({ path: "program.ts", text: text.replace("|", "") }, at, declarations);
  return found.names.map(({ name }) => name);
}

test("members behind a point, with a word begun and without", () => {
  const program = (line: string): string =>
    `${HEAD}export const o = tcpOption({ kind: 28, payload: u32, write(conn) { ${line} } });`;
  for (const line of ["conn.|", "conn.se|", "if (conn.|) conn.stopWriting();"])
    expect(offered(program(line)), line).toEqual(expect.arrayContaining(["setSockOpt", "stopWriting", "dataSegsOut"]));
  expect(offered(program("conn.|"))).not.toContain("license");
});

test("handlers of an object that are not there yet", () => {
  const names = offered(`${HEAD}export const o = tcpOption({ kind: 28, payload: u32, | });`);
  expect(names).toEqual(expect.arrayContaining(["write", "parse", "established"]));
  expect(names).not.toContain("kind");
});

test("texts that a parameter may be", () => {
  const names = offered(
    `${HEAD}export const o = tcpOption({ kind: 28, payload: u32, write(conn) { conn.setSockOpt("|", 1); } });`,
  );
  expect(names).toEqual(expect.arrayContaining(["TCP_USER_TIMEOUT", "TCP_CONGESTION"]));
});

test("names in scope elsewhere, without those of JavaScript's library", () => {
  const names = offered(`${HEAD}const limit: u32 = 7;\nfunction half(n: u32): u32 { return li| }`);
  expect(names).toEqual(expect.arrayContaining(["limit", "half", "n", "htons", "u32"]));
  expect(names).not.toContain("console");
});

test("a name is told with its type and what its declaration says", () => {
  const text = `${HEAD}export const port = htons(80);`;
  expect(nameAt({ path: "program.ts", text }, text.indexOf("htons(80)") + 1, declarations)).toMatchObject({
    name: "htons",
    kind: "function",
    type: expect.stringContaining("=> be16"),
  });
  expect(nameAt({ path: "program.ts", text }, text.indexOf("80"), declarations)).toBeUndefined();
});

test("whatever the text is, there is an answer", () => {
  for (const text of ["", "conn.", "((((", "export const x = {", "`${", "import { } from"])
    for (let offset = 0; offset <= text.length; offset++)
      expect(() => completionsAt({ path: "program.ts", text }, offset, declarations)).not.toThrow();
});
