/** Mistakes in hooks of system calls: where each is reported, in which words, and that the remedy they name works. */
import { describe, expect, test } from "vitest";
import { compile } from "../../compiler/compile.ts";

const HEAD = `import { array, cstring, htonl, htons, ipv4, ipv6, license, u32, u8, type be32 } from "tsbpf";
import { connectHook, type Connect4Ctx } from "tsbpf/connect";
import { Level, sockOptHook } from "tsbpf/sockopt";
license("GPL");
`;
const connect4 = (body: string): string => `${HEAD}export const hook = connectHook({ connect4(ctx) {\n${body}\n} });\n`;
const connect6 = (body: string): string => `${HEAD}export const hook = connectHook({ connect6(ctx) {\n${body}\n} });\n`;
const set = (body: string): string => `${HEAD}export const hook = sockOptHook({ setsockopt(ctx) {\n${body}\n} });\n`;
const get = (body: string): string => `${HEAD}export const hook = sockOptHook({ getsockopt(ctx) {\n${body}\n} });\n`;

interface Mistake {
  readonly what: string;
  readonly wrong: string;
  readonly key: string;
  /** In message or help. */
  readonly says: RegExp;
  readonly right: string;
}
const mistakes: readonly Mistake[] = [
  {
    what: "a field of the kernel's",
    wrong: connect4("ctx.family = 10;\nreturn true;"),
    key: "read-only",
    says: /family belongs to the kernel.*remotePort, remoteIp4/s,
    right: connect4("ctx.remotePort = htons(10);\nreturn true;"),
  },
  {
    what: "a port in host order",
    wrong: connect4("ctx.remotePort = 443;\nreturn true;"),
    key: "type-mismatch",
    says: /expected be16, found 443.*htons\(…\)/s,
    right: connect4("ctx.remotePort = htons(443);\nreturn true;"),
  },
  {
    what: "an address in host order",
    wrong: connect4("ctx.remoteIp4 = 0x0a000001;\nreturn true;"),
    key: "type-mismatch",
    says: /expected be32, found 167772161.*htonl\(…\)/s,
    right: connect4("ctx.remoteIp4 = htonl(0x0a000001);\nreturn true;"),
  },
  {
    what: "an address of the other family",
    wrong: connect4('ctx.remoteIp4 = ipv6("::1");\nreturn true;'),
    key: "type-mismatch",
    says: /expected be32/,
    right: connect4('ctx.remoteIp4 = ipv4("10.0.0.1");\nreturn true;'),
  },
  {
    what: "what only the other hook has",
    wrong: connect4('ctx.remoteIp6 = ipv6("::1");\nreturn true;'),
    key: "no-member",
    says: /Connect4Ctx has no remoteIp6.*remoteIp4/s,
    right: connect6('ctx.remoteIp6 = ipv6("::1");\nreturn true;'),
  },
  {
    what: "a source of the other family",
    wrong: connect6('return ctx.bindSource(ipv4("10.0.0.1")) === 0;'),
    key: "type-mismatch",
    says: /expected an IPv6 address, found be32/,
    right: connect6('return ctx.bindSource(ipv6("::1")) === 0;'),
  },
  {
    what: "part of an address",
    wrong: connect6('ctx.remoteIp6[3] = ipv4("0.0.0.1");\nreturn true;'),
    key: "read-only",
    says: /part of a copy of remoteIp6.*whole address/s,
    right: connect6("const to = ctx.remoteIp6;\nctx.remoteIp6 = [to[0], to[1], to[2], htonl(1)];\nreturn true;"),
  },
  {
    what: "a number as the answer",
    wrong: connect4("return 1;"),
    key: "type-mismatch",
    says: /expected boolean, found 1/,
    right: connect4("return true;"),
  },
  {
    what: "a path without an answer",
    wrong: connect4("if (ctx.pid === 1) return;\nreturn true;"),
    key: "type-error",
    says: /a path of the handler ends without true or false.*return true/s,
    right: connect4("if (ctx.pid === 1) return false;\nreturn true;"),
  },
  {
    what: "a value that may be shorter",
    wrong: set("const value = ctx.optval(u32);\nvalue.value = 1;\nreturn true;"),
    key: "type-error",
    says: /value may be undefined.*if \(value === undefined\)/s,
    right: set("const value = ctx.optval(u32);\nif (value === undefined) return true;\nvalue.value = 1;\nreturn true;"),
  },
  {
    what: "a value larger than what the kernel shows",
    wrong: set("return ctx.optval(array(u8, 5000)) !== undefined;"),
    key: "count-range",
    says: /5000 bytes.*at most 4096/s,
    right: set("return ctx.optval(array(u8, 4096)) !== undefined;"),
  },
  {
    what: "the level of what was answered",
    wrong: get("ctx.level = Level.Tcp;\nreturn true;"),
    key: "read-only",
    says: /level belongs to the kernel.*optlen, retval/s,
    right: set("ctx.level = Level.Tcp;\nreturn true;"),
  },
  {
    what: "the kernel's answer before it answers",
    wrong: set("return ctx.retval === 0;"),
    key: "no-member",
    says: /SetSockOptCtx has no retval/,
    right: get("return ctx.retval === 0;"),
  },
  {
    what: "keeping the kernel out after it answered",
    wrong: get("ctx.skipKernel();\nreturn true;"),
    key: "no-member",
    says: /GetSockOptCtx has no skipKernel/,
    right: set("ctx.skipKernel();\nreturn true;"),
  },
  {
    what: "assigning a method",
    wrong: set("ctx.optval = 4;\nreturn true;"),
    key: "method-as-value",
    says: /call it: optval\(…\)/,
    right: set("const name = ctx.optval(cstring(16));\nreturn name !== undefined;"),
  },
  {
    what: "a hook that is none",
    wrong: `${HEAD}export const hook = connectHook({ connect5(ctx) { return ctx.pid === 1; } });\n`,
    key: "type-error",
    says: /there is no connect5.*connect4/s,
    right: connect4("return ctx.pid === 1;"),
  },
  {
    what: "a name that leaves no room for what the programs add",
    wrong: `${HEAD}export const serviceAddresses = connectHook({ connect4() { return true; }, connect6() { return true; } });\n`,
    key: "name-collision",
    says: /serviceAddresse.*shorter name.*a letter more/s,
    right: `${HEAD}export const serviceAddress = connectHook({ connect4() { return true; }, connect6() { return true; } });\n`,
  },
  {
    what: "a context that is kept",
    wrong: `${HEAD}let kept: Connect4Ctx;\nexport const hook = connectHook({ connect4(ctx) { kept = ctx; return true; } });\n`,
    key: "context-escapes",
    says: /only valid during its event/,
    right: `${HEAD}let kept: be32 = htonl(0);\nexport const hook = connectHook({ connect4(ctx) { kept = ctx.remoteIp4; return true; } });\n`,
  },
];

describe("mistakes in hooks", () => {
  const errorsOf = (text: string) =>
    compile({ path: "hook.ts", text }).diagnostics.filter((one) => one.severity === "error");

  test.each(mistakes)("$what", ({ wrong, key, says, right }) => {
    const found = errorsOf(wrong);
    expect(found.map((one) => one.key)).toContain(key);
    const { message, help = "" } = found.find((one) => one.key === key)!;
    expect(`${message}\n${help}`).toMatch(says);
    expect(help).not.toBe("");
    expect(errorsOf(right)).toEqual([]);
  });
});
