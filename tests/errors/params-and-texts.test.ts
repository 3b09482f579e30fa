/** Params that are structs and lists, tries and texts: mistakes, with remedies. */
import { expect, test } from "vitest";
import { compile } from "../../compiler/compile.ts";

const HEAD = `import { array, cstr, cstring, Ip6, IpTrie, ipv4, Ipv4Trie, ipv6, Ipv6Trie, license, param, struct, u32 } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
class Limits extends struct({ low: u32, name: cstring(5) }) {}
export const limits = param(Limits, { low: 1, name: cstr("abc", 5) });
export const list = param(array(u32, 2), [1, 2]);
export const server = param(Ip6, ipv6("2001:db8::1"));
export const six = new Ipv6Trie({ value: u32, maxEntries: 4 });
export const both = new IpTrie({ value: u32, maxEntries: 4 });
export const four = new Ipv4Trie({ value: u32, maxEntries: 4 });
const bump = (l: Limits): void => { l.low = 5; };
const first = (addr: Ip6): boolean => addr[0] === ipv4("32.1.13.184");
`;
const USES = `export const uses = sockOps((ctx) => {
  bump(new Limits(limits));
  ctx.reply = first(server) && limits.low + list[0] === 2 && both.get(server) === undefined && four.get(ctx.remoteIp4) === six.get(server) ? 1 : 0;
  return 1;
});
`;
const said = (body: string, top = ""): { key: string; help: string | undefined }[] =>
  compile({
    path: "mistake.ts",
    text: `${HEAD}${top}${USES}export const program = sockOps((ctx) => {\n  ${body}\n  return 1;\n});\n`,
  })
    .diagnostics.filter(({ severity }) => severity === "error")
    .map(({ key, help }) => ({ key, help }));
const OWN = "copy it into a variable of your own";

test("without a mistake nothing is said", () => {
  expect(said("ctx.reply = 1;")).toEqual([]);
});
test.each([
  ["bump(limits);", "read-only", OWN],
  ["const l = limits; l.low = 3;", "read-only", OWN],
  // A variable that is given one of them in one case is not written in any, nor before that in a loop.
  ["let l: Limits | undefined = limits; l.low = 3; l = undefined;", "read-only", OWN],
  ["let l: Limits | undefined = new Limits(); l = limits; if (l) l.low = 3;", "read-only", OWN],
  [
    "let l: Limits | undefined = undefined; for (const _ of range(2)) { if (l) l.low = 3; l = limits; }",
    "read-only",
    OWN,
  ],
  ["list[0] = 4;", "read-only", OWN],
  ['ctx.reply = six.get(ipv4("10.0.0.1")) ? 1 : 0;', "type-mismatch", "use an IpTrie, which takes both"],
  ["ctx.reply = both.get(ctx.localPort) ? 1 : 0;", "type-mismatch", "convert it: htonl(…)"],
  [
    'ctx.reply = limits.name === cstr("abc", 6) ? 1 : 0;',
    "not-comparable",
    'give both the same size, as in cstr("…", 5)',
  ],
  ['ctx.reply = limits.name === "abc" ? 1 : 0;', "not-comparable", 'write === cstr("abc", 5)'],
])("%s", (body, key, help) => {
  expect(said(body)).toEqual([{ key, help }]);
});
test("a param's value is the loader's to say: no other one begins with it", () => {
  expect(said("ctx.reply = 1;", "export const other = param(Limits, limits);\n").map(({ key }) => key)).toEqual([
    "not-constant",
  ]);
});
