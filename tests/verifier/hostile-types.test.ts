/** Types that no compiler makes: structs in themselves, arrays of themselves, counts without end, places between bytes. Each is told of, or nothing comes of it. */
import { describe, expect, test } from "vitest";
import { beginsWith, findMember } from "../../compiler/bpf/kernel-types.ts";
import { kernels } from "../../compiler/bpf/kernels.ts";
import { complete } from "../../compiler/object/complete.ts";
import { btfBuilder, type Btf, type BtfType } from "../../compiler/object/btf.ts";
import { extractTypes } from "../../compiler/object/extract-types.ts";
import { coreTarget, relocated } from "../../compiler/object/relocate-core.ts";
import { wholeKernel } from "../../compiler/object/whole-kernel.ts";
import { LOAD_FLAGS } from "../../compiler/verifier/env.ts";
import { verify, type Result } from "../../compiler/verifier/verify.ts";
import { exit, mov, raw } from "./assemble.ts";

/** Types by number from 1 on, and texts that records refer to: "\0text\0…". */
const btfOf = (types: readonly BtfType[], texts = ""): Btf => ({
  types: [undefined, ...types],
  offsets: [0, ...types.map(() => 0)],
  strings: new TextEncoder().encode(`\0${texts}\0`),
});
const encoded = (types: readonly BtfType[]): Uint8Array => {
  const builder = btfBuilder();
  for (const type of types) builder.add(type);
  return builder.finish();
};
const member = (name: string, type: number, offset = 0, bits = 0) => ({ name, type, offset, bits });
const struct = (name: string, size: number, members: readonly ReturnType<typeof member>[]): BtfType => ({
  kind: "struct",
  name,
  size,
  members,
});
const u32: BtfType = { kind: "int", name: "u32", size: 4, bits: 32, signed: false };
const many = <T>(count: number, make: (at: number) => T): T[] => Array.from({ length: count }, (_, at) => make(at));

describe("structs that begin with themselves, and with each other", () => {
  const types = extractTypes(
    btfOf([struct("tcp_sock", 8, [member("first", 2)]), struct("sock", 8, [member("first", 1)])]),
    ["tcp_sock", "sock"],
    "mine",
  );
  test("have no member that is not there", () => {
    expect(findMember(types, "tcp_sock", "nowhere")).toBeUndefined();
    expect(beginsWith(types, "tcp_sock", "nothing")).toBe(false);
    expect(beginsWith(types, "tcp_sock", "sock")).toBe(true);
  });
});

describe("a part without a name that is in itself as often as there is room", () => {
  const btf = btfOf(
    [
      struct("thing", 8, [member("", 2), member("", 2)]),
      struct("", 8, [...many(60, () => member("", 2)), member("x", 3)]),
      u32,
    ],
    "0:0\0",
  );
  test("ends as an extract", () => {
    expect(extractTypes(btf, ["thing"], "mine").structs.get("thing")?.members.length).toBeLessThan(20_000);
  });
  test("has the member that is asked for, and no other", () => {
    for (const [name, found] of [
      ["x", true],
      ["y", false],
    ] as const) {
      const local = btfOf([struct("thing", 4, [member(name, 2)]), u32], "0:0\0");
      const made = relocated([mov(1, 77)], [{ offset: 0, type: 1, access: 1, kind: 2 }], local, coreTarget(btf));
      expect(made).toEqual({ insns: [mov(1, found ? 1 : 0)] });
    }
  });
});

describe("functions", () => {
  const pointer: BtfType = { kind: "ptr", type: 2 };
  const kernelOf = (pointee: readonly BtfType[], params: number): ReturnType<typeof wholeKernel> =>
    wholeKernel(
      btfOf([
        pointer,
        ...pointee,
        { kind: "func_proto", returns: 0, params: many(params, (at) => ({ name: `p${at}`, type: 1 })) },
        { kind: "func", name: "bpf_task_release", type: pointee.length + 2, linkage: 0 },
      ]),
    );
  test("may be given an array of itself", () => {
    const circle = kernelOf([{ kind: "array", element: 2, index: 2, length: 0xffff_ffff }], 1);
    expect(circle.function("bpf_task_release")?.params[0]?.type.kind).toBe("other");
  });
  test("may be given a struct that is in many members, many times over", () => {
    const wide = many(4, (at) =>
      struct(
        `s${at}`,
        4,
        many(20_000, () => member("m", at === 3 ? 6 : 3 + at)),
      ),
    );
    const deep = kernelOf([...wide, u32], 1);
    expect(deep.function("bpf_task_release")?.params[0]?.type).toMatchObject({ kind: "struct", numbers: true });
  });
  test("of more arguments than there are registers are not judged", () => {
    const proto: BtfType = { kind: "func_proto", returns: 1, params: many(60, (at) => ({ name: `p${at}`, type: 1 })) };
    const kernel = wholeKernel(btfOf([u32, proto, { kind: "func", name: "bpf_preempt_disable", type: 2, linkage: 0 }]));
    const result: Result = verify({
      insns: [...many(5, (at) => mov(1 + at, 0)), raw(0x85, 0, 2), mov(0, 0), exit],
      type: "syscall",
      attach: 0,
      flags: LOAD_FLAGS.sleepable,
      maps: new Map(),
      typed: true,
      gpl: true,
      release: "6.18",
      features: kernels.mainline.features,
      kfuncs: new Map([[5, "bpf_preempt_disable"]]),
      kernel,
    });
    expect(result).toMatchObject({
      verdict: "unsupported",
      feature: "bpf_preempt_disable, a function of 60 arguments",
    });
  });
});

describe("records of an object", () => {
  const kernel = coreTarget(
    btfOf([
      struct("thing", 0xffff_ffff, [member("odd", 3, 4), member("list", 2)]),
      { kind: "array", element: 3, index: 3, length: 0 },
      u32,
    ]),
  );
  const told = (members: readonly ReturnType<typeof member>[], text: string): unknown => {
    const local = btfOf(
      [struct("thing", 0xffff_ffff, members), u32, { kind: "array", element: 2, index: 2, length: 0 }],
      `${text}\0`,
    );
    return relocated([mov(1, 0)], [{ offset: 0, type: 1, access: 1, kind: 0 }], local, kernel);
  };
  test.each(["1e308:0", `${"9".repeat(400)}:0`, "-1:0", "0x10:0", " 0:0", "0:", ":", "1.5:0", ""])(
    "that say %j name no member",
    (text) => {
      expect(told([member("odd", 2)], text)).toMatchObject({
        problem: expect.stringMatching(/names no member/) as string,
      });
    },
  );
  test("about a place between two bytes are told of", () => {
    expect(told([member("odd", 2)], "0:0")).toMatchObject({ problem: expect.stringMatching(/cannot be/) as string });
  });
  test("far behind the end of everything are told of, or a number", () => {
    expect(told([member("list", 3)], "9999999999:0:9999999999")).toMatchObject({
      problem: expect.stringMatching(/cannot be/) as string,
    });
  });
  test("that lead into a type that is not there are told of", () => {
    expect(told([member("odd", 2)], "0:7")).toMatchObject({
      problem: expect.stringMatching(/leads nowhere/) as string,
    });
  });
});

test("a setting of two gigabytes is none", () => {
  const own = [
    { kind: "int", name: "char", size: 1, bits: 8, signed: false, char: true },
    { kind: "array", element: 1, index: 1, length: 0x7fff_ffff },
    { kind: "var", name: "CONFIG_LOCALVERSION", type: 2, linkage: 2 },
    { kind: "datasec", name: ".kconfig", size: 0, vars: [{ type: 3, offset: 0, size: 0 }] },
  ] as const satisfies readonly BtfType[];
  const module = { license: "", target: "unknown", needs: [], globals: [], sources: [], maps: [], programs: [] };
  const { module: made } = complete(
    { module, problems: [], kernelInfo: { btf: encoded(own), programs: [] } },
    { btf: btfOf([]), setting: () => '"text"' },
  );
  expect(made.globals).toEqual([]);
});
