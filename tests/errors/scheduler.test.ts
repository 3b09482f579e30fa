/** Mistakes in packet schedulers: each is told once, with what to do. */
import { expect, test } from "vitest";
import { compile, type CompileOptions } from "../../compiler/compile.ts";

const GET_SEND =
  "getSend(session) { for (const one of session.subflows(4)) { one.schedule(); return true; } return false; },";
const program = (members: string, license = "GPL"): string => `
import { license, u32 } from "tsbpf";
import { scheduler, type MptcpSock, type MptcpSubflow } from "tsbpf/mptcp";
license("${license}");
export const chooses = scheduler({ ${members} });
`;
/** What is said besides the type checker's own words. */
const said = (text: string, options: CompileOptions = {}) =>
  compile({ path: "chooses.ts", text }, options)
    .diagnostics.filter(({ key }) => !["type-error", "unused", "unused-parameter"].includes(key))
    .map(({ key, message, help }) => ({ key, message, help }));
const typeErrors = (text: string): string[] =>
  compile({ path: "chooses.ts", text })
    .diagnostics.filter(({ key }) => key === "type-error")
    .map(({ message }) => message);
const inLoop = (body: string): string =>
  program(`getSend(session) { for (const one of session.subflows(4)) { ${body} } return false; }`);

test("a whole one is taken, by the verifier too", () => {
  const { module } = compile({ path: "chooses.ts", text: program(GET_SEND) });
  expect(said(program(GET_SEND))).toEqual([]);
  expect(module!.target).toBe("patched");
  const [one] = module!.structOps!;
  expect(new TextDecoder().decode(one!.values["name"]).replace(/\0+$/, "")).toBe("chooses");
  expect(one).toMatchObject({ struct: "mptcp_sched_ops", programs: { get_send: "chooses_get_send" }, link: true });
});

test("one without getSend is an error", () => {
  const text = program("init(session) { session.sndBurst = 0; }");
  expect(said(text)).toMatchObject([{ key: "ops-member", message: "a scheduler needs getSend" }]);
});

test("names have 15 letters", () => {
  expect(said(program(`name: "fifteen_letters", ${GET_SEND}`))).toEqual([]);
  expect(said(program(`name: "sixteen_letters_", ${GET_SEND}`))).toMatchObject([
    { key: "ops-name", message: expect.stringContaining("scheduler") as string },
  ]);
});

test("the licence is the GPL", () => {
  expect(said(program(GET_SEND, "Proprietary")).map(({ key }) => key)).toEqual(["needs-gpl"]);
});

test("other kernels are told of", () => {
  expect(said(program(GET_SEND), { target: "mainline" }).map(({ key }) => key)).toContain("needs-kernel");
});

test("who loops over something else of a session's is told what to loop over", () => {
  const help = (over: string): unknown =>
    said(
      program(
        `getSend(session) { for (const a of session.subflows(4)) for (const b of ${over}) return a !== b; return false; }`,
      ),
    );
  expect(help("session")).toMatchObject([
    { key: "not-iterable", help: "for (const subflow of session.subflows(8)) { … }" },
  ]);
  for (const over of ["a", "a.tcp", "a.subflows(4)"])
    expect(help(over)).toMatchObject([
      { key: "not-iterable", help: "only a session has subflows: for (const subflow of session.subflows(8)) { … }" },
    ]);
  // A count has nothing to do with subflows.
  expect(help("8")).toMatchObject([{ key: "not-iterable", help: expect.stringMatching(/^loop over range/) as string }]);
});

test("the patched kernel is one release, whatever oldest kernel is asked for", () => {
  const slots = (kernel?: "6.1" | "6.12" | "6.18"): unknown => {
    const { module, diagnostics } = compile({ path: "chooses.ts", text: program(GET_SEND) }, kernel ? { kernel } : {});
    return module?.programs.map(({ insns }) => insns) ?? diagnostics;
  };
  expect(slots("6.1")).toEqual(slots());
  expect(slots("6.12")).toEqual(slots());
  expect(slots("6.18")).toEqual(slots());
});

test("an iterator ends with its loop: it is no value", () => {
  for (const body of [
    "const list = session.subflows(4); return list === undefined;",
    "session.subflows(4); return true;",
  ])
    expect(said(program(`getSend(session) { ${body} }`))).toMatchObject([
      {
        key: "iterator-outside",
        help: expect.stringContaining("for (const subflow of session.subflows(4))") as string,
      },
    ]);
});

test("the bound is a constant between 1 and 64", () => {
  const bound = (text: string): string =>
    program(`getSend(session) { for (const one of session.subflows(${text})) one.schedule(); return true; }`);
  expect(said(bound("session.token")).map(({ key }) => key)).toEqual(["not-constant"]);
  expect(said(bound("0")).map(({ key }) => key)).toEqual(["count-range"]);
  expect(said(bound("65")).map(({ key }) => key)).toEqual(["count-range"]);
});

test("what belongs to the kernel is readonly, and what may be written is named", () => {
  expect(said(inLoop("one.subflowId = 1;"))).toMatchObject([
    { key: "read-only", help: expect.stringContaining("avgPacingRate") as string },
  ]);
  expect(said(inLoop("if (one.tcp) one.tcp.sndCwnd = 1;")).map(({ key }) => key)).toEqual(["read-only"]);
  expect(said(inLoop("one.avgPacingRate = 5n; session.sndBurst = 1;"))).toEqual([]);
});

test("functions of congestion controls are not for subflows", () => {
  const text = inLoop("if (one.tcp) slowStart(one.tcp, 1);").replace(
    "license, u32 } from",
    'license, u32 } from "tsbpf";\nimport { slowStart } from "tsbpf/cc"; //',
  );
  expect(said(text)).toMatchObject([{ key: "type-mismatch", message: expect.stringContaining("TcpSock") as string }]);
});

test("a subflow that may be missing is tested first: the type checker says so", () => {
  const text = program(
    "getSend(session) { let best: MptcpSubflow | undefined; for (const one of session.subflows(2)) best = one; best.schedule(); return true; }",
  );
  expect(typeErrors(text).join("\n")).toMatch(/undefined/);
});

test("a subflow is kept for as long as the handler runs, not longer", () => {
  expect(said(`${program(GET_SEND)}let kept: MptcpSubflow | undefined;`).map(({ key }) => key)).not.toEqual([]);
});

test("a handler that ends without an answer is told which one", () => {
  const words = (members: string): unknown =>
    compile({ path: "chooses.ts", text: program(members) })
      .diagnostics.filter(({ key }) => key === "type-error")
      .map(({ message, help }) => ({ message: message.replace(/ \(TS\d+\)$/, ""), help }));
  const without = {
    message: "a path of the handler ends without true or false",
    help: "end it with return true; or return false;",
  };
  const body = "for (const one of session.subflows(4)) one.schedule();";
  expect(words(`getSend(session) { ${body} }`)).toEqual([without]);
  expect(words(`getSend: (session) => session.token === 1, getRetrans(session) { ${body} }`)).toEqual([without]);
});
