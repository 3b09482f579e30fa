/** Mistakes in congestion controls: each is told once, with what to do. */
import { expect, test } from "vitest";
import { kernelTypes, type KernelTypes } from "../../compiler/bpf/kernel-types.ts";
import { compile, type CompileOptions } from "../../compiler/compile.ts";

const MEMBERS = {
  ssthresh: "ssthresh(sk) { return renoSsthresh(sk); },",
  congAvoid: "congAvoid(sk, ack, acked) { renoCongAvoid(sk, ack, acked); },",
  undoCwnd: "undoCwnd(sk) { return renoUndoCwnd(sk); },",
};
const program = (members: Partial<typeof MEMBERS> & Readonly<Record<string, string>>, license = "GPL"): string => `
import { license } from "tsbpf";
import { congestionControl, renoCongAvoid, renoSsthresh, renoUndoCwnd } from "tsbpf/cc";
license("${license}");
export const cc = congestionControl({ ${Object.values({ ...MEMBERS, ...members }).join("\n")} });
`;
const said = (text: string, options: CompileOptions = {}) =>
  compile({ path: "cc.ts", text }, options)
    .diagnostics.filter(({ key }) => !["type-error", "unused", "unused-parameter"].includes(key))
    .map(({ key, message, help }) => ({ key, message, help }));

test("a whole one is taken, by the verifier too", () => {
  expect(said(program({}))).toEqual([]);
});

test("what the kernel does not let programs write is readonly, and what may be written is named", () => {
  const [first, ...more] = said(program({ init: "init(sk) { sk.srttUs = 5; }," }));
  expect(more).toEqual([]);
  expect(first?.key).toBe("read-only");
  expect(first?.message).toContain("srttUs belongs to the kernel");
  expect(first?.help).toContain("sndCwnd, sndCwndCnt");
});

test("the kernel's functions are for programs under the GPL", () => {
  expect(said(program({}, "Proprietary")).map(({ key }) => key)).toEqual(["needs-gpl"]);
});

test("older kernels are told of", () => {
  expect(said(program({}), { kernel: "5.10" })).toMatchObject([
    { key: "needs-newer-kernel", help: expect.stringContaining("--kernel 5.13") as string },
  ]);
  const control = {
    congAvoid: "",
    congControl: "congControl(sk, ack, flag, sample) { sk.sndCwnd = sample.priorInFlight; },",
  };
  expect(said(program(control))).toMatchObject([
    { key: "needs-newer-kernel", message: expect.stringContaining("6.10") as string },
  ]);
  expect(said(program(control), { kernel: "6.10" })).toEqual([]);
});

const CHOOSES = `(sk) { if (sk.setSockOpt("TCP_CONGESTION", "cubic") === 0) sk.sndCwnd = 1; },`;
test("socket options are set from Linux 5.15 on, and not in release()", () => {
  const choosing = program({ init: `init${CHOOSES}` });
  expect(said(choosing, { kernel: "5.13" })).toMatchObject([
    { key: "verifier-rejects", help: expect.stringMatching(/--kernel 5\.15$/) as string },
  ]);
  expect(said(choosing, { kernel: "5.15" })).toEqual([]);
  // No kernel takes the other: none is named.
  for (const kernel of ["5.15", "6.18"] as const)
    expect(said(program({ release: `release${CHOOSES}` }), { kernel })).toMatchObject([
      {
        message: expect.stringContaining("this handler may not call bpf_setsockopt") as string,
        help: "call it in another handler",
      },
    ]);
});

test("the kernel's functions take a connection of a congestion control, no other", () => {
  const text = `
import { license } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
import { slowStart } from "tsbpf/cc";
license("GPL");
export const ops = sockOps((ctx) => slowStart(ctx, 1));
`;
  expect(said(text)).toMatchObject([{ key: "type-mismatch", message: expect.stringContaining("TcpSock") as string }]);
});

test("a member that the given types lack is told of", () => {
  const { structs, release } = kernelTypes();
  const tcp = structs.get("tcp_sock")!;
  const without: KernelTypes = {
    release,
    structs: new Map([
      ...structs,
      ["tcp_sock", { ...tcp, members: tcp.members.filter(({ name }) => name !== "prior_cwnd") }],
    ]),
  };
  const undo = { undoCwnd: "undoCwnd(sk) { return sk.priorCwnd; }," };
  expect(said(program(undo), { types: without })).toMatchObject([{ key: "kernel-member" }]);
  expect(said(program(undo))).toEqual([]);
});

test("the exported name is the congestion control's where it says no other", () => {
  const { module } = compile({ path: "cc.ts", text: program({}) });
  const [one] = module!.structOps!;
  expect(new TextDecoder().decode(one!.values["name"]).replace(/\0+$/, "")).toBe("cc");
  expect(one!.programs).toEqual({ ssthresh: "cc_ssthresh", cong_avoid: "cc_cong_avoid", undo_cwnd: "cc_undo_cwnd" });
});

test("a member of the wrong form is told of once", () => {
  expect(said(program({ ssthresh: "ssthresh: renoSsthresh," })).map(({ key }) => key)).toEqual(["handler-form"]);
});

test("a function that is called with the state has constant offsets too; one of a program's own memory may vary", () => {
  const text = `
import { array, license, struct, u32 } from "tsbpf";
import { congestionControl, renoCongAvoid, renoUndoCwnd } from "tsbpf/cc";
license("GPL");
class Kept extends struct({ at: u32, last: array(u32, 4) }) {}
function pick(kept: Kept): u32 {
  return kept.last[kept.at & 3] ?? 0;
}
export const cc = congestionControl({
  state: Kept,
  ssthresh: (sk) => pick(STATE),
  congAvoid: (sk, ack, acked) => renoCongAvoid(sk, ack, acked + pick(STATE)),
  undoCwnd: (sk) => renoUndoCwnd(sk),
});
`;
  const keys = (state: string) => said(text.replaceAll("STATE", state)).map(({ key }) => key);
  expect(keys("sk.state")).toEqual(["state-index", "state-index"]);
  expect(keys("new Kept(sk.state)")).toEqual([]);
});

test("a name for a part of the state is that part: putting another in its place shows", () => {
  const text = `
import { license, struct, u32 } from "tsbpf";
import { congestionControl, renoCongAvoid, renoUndoCwnd } from "tsbpf/cc";
license("GPL");
class Part extends struct({ n: u32 }) {}
class Kept extends struct({ part: Part, other: Part }) {}
export const cc = congestionControl({
  state: Kept,
  ssthresh(sk) {
    const part = sk.state.part;
    sk.state.REPLACED = new Part({ n: 3 });
    return part.n;
  },
  congAvoid: (sk, ack, acked) => renoCongAvoid(sk, ack, acked),
  undoCwnd: (sk) => renoUndoCwnd(sk),
});
`;
  const keys = (field: string) => said(text.replace("REPLACED", field)).map(({ key }) => key);
  expect(keys("part")).toEqual(["reference-replaced"]);
  expect(keys("other")).toEqual([]);
});

test("a handler of another shape is told what the kernel wants of it", () => {
  const words = (members: Readonly<Record<string, string>>): unknown =>
    compile({ path: "cc.ts", text: program(members) })
      .diagnostics.filter(({ key }) => key === "type-error")
      .map(({ message, help }) => ({ message: message.replace(/ \(TS\d+\)$/, ""), help }));
  expect(words({ ssthresh: "ssthresh(sk) { sk.sndCwnd = 5; }," })).toEqual([
    { message: "a path of the handler ends without a number", help: "end it with return and a u32" },
  ]);
  expect(words({ congAvoid: "congAvoid(sk, ack, acked) { renoCongAvoid(sk, ack, acked); return 5; }," })).toEqual([
    { message: "the handler returns number, but nothing looks at it", help: "leave out the value: return;" },
  ]);
  expect(words({ congAvoid: "congAvoid(sk, ack, acked, more) { renoCongAvoid(sk, ack, acked); }," })).toMatchObject([
    { message: "the handler is given 3 values: sk, ack, acked", help: "remove the other parameters" },
  ]);
});
