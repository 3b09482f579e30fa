/** One verifier for each release: what its rules let through, and that what `build` emits is followed by all of them. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { releaseFor } from "../../compiler/bpf/kernels.ts";
import { NEWEST, OLDEST, RELEASES, type Release, type Version } from "../../compiler/bpf/verifier-rules.ts";
import { compile } from "../../compiler/compile.ts";
import type { Program } from "../../compiler/verifier/verify.ts";
import { corpusAnswer, type CorpusProgram } from "../../compiler/verifier/corpus.ts";
import { verifyProgram } from "../../compiler/verifier/module.ts";
import { fromSeed } from "../generate/choices.ts";
import { indexProgram } from "../generate/indexes.ts";
import { root } from "../programs.ts";
import { call, check, copy, exit, HASH, jump, load, mapFd, mov, op, opReg, raw, store, storeImm } from "./assemble.ts";

test("a release is judged by the newest known one that is not newer", () => {
  expect(releaseFor("6.1.192-amd64")).toBe("6.1");
  expect(releaseFor("5.15")).toBe("5.10");
  expect(releaseFor("6.6.30")).toBe("6.1");
  expect(releaseFor("7.0")).toBe(NEWEST);
  expect(releaseFor("5.4.0")).toBeUndefined();
  expect(releaseFor("newest")).toBeUndefined();
});

/** A value of sessions in r0, two numbers of the context in r7 and r8; then `body`, which ends the program. */
const withNumbers = (...body: Parameters<typeof check>[0][number][]): Parameters<typeof check>[0] => [
  load(4, 7, 1, 0),
  load(4, 8, 1, 4),
  storeImm(4, 10, -4, 1),
  copy(2, 10),
  op("add", 2, -4),
  ...mapFd(1, HASH),
  call(1),
  jump("ne", 0, 0, 2),
  mov(0, 1),
  exit,
  ...body,
];
const accepting = (insns: Parameters<typeof check>[0]): readonly Release[] =>
  RELEASES.filter((release) => check(insns, { release }).verdict === "accept");

describe("what releases track", () => {
  test("the product of two masked numbers", () => {
    const insns = withNumbers(
      op("and", 7, 3),
      op("and", 8, 3),
      opReg("mul", 7, 8),
      opReg("add", 0, 7),
      load(1, 0, 0, 0),
      mov(0, 1),
      exit,
    );
    expect(accepting(insns)).toEqual(["6.12", "6.18"]);
  });
  test("a mask on one number, everywhere", () => {
    const insns = withNumbers(op("and", 7, 7), opReg("add", 0, 7), load(1, 0, 0, 0), mov(0, 1), exit);
    expect(accepting(insns)).toEqual(RELEASES);
  });
  test("the lower half of a spilled number", () => {
    const insns = withNumbers(
      op("and", 7, 7),
      store(8, 10, -16, 7),
      load(4, 6, 10, -16),
      opReg("add", 0, 6),
      load(1, 0, 0, 0),
      mov(0, 1),
      exit,
    );
    expect(accepting(insns)).toEqual(["6.12", "6.18"]);
  });
  test("stack below everything that was written", () => {
    expect(accepting([load(8, 0, 10, -64), mov(0, 1), exit])).toEqual(["6.1", "6.12", "6.18"]);
  });
  test("a 32-bit comparison with 0 of a pointer that is not null", () => {
    const insns = withNumbers(copy(6, 0), raw(0x56, 6, 0, 1, 0), load(8, 3, 9, 0), mov(0, 1), exit);
    expect(accepting(insns)).toEqual(["5.10", "6.1", "6.18"]);
  });
});

describe("what releases have not got yet", () => {
  const versions = ["5.10", "5.15", "6.1", "6.2", "6.12", "6.18"] as const;
  const having = (insns: Parameters<typeof check>[0], more: Partial<Program> = {}): readonly Version[] =>
    versions.filter((release) => check(insns, { release, ...more }).verdict === "accept");

  test("a helper", () => {
    expect(having([call(208), mov(0, 1), exit])).toEqual(["6.1", "6.2", "6.12", "6.18"]);
  });
  test("a helper that came later to this kind of program than to others", () => {
    const insns = [mov(1, 0), call(122), mov(0, 1), exit];
    expect(having(insns, { type: "sock_ops", attach: 3 })).toEqual(["5.15", "6.1", "6.2", "6.12", "6.18"]);
  });
  test("a helper that was kept for other kinds", () => {
    const insns = [call(18), mov(0, 1), exit];
    expect(having(insns, { type: "sock_ops", attach: 3 })).toEqual([]);
    const ofTask = (number: number) => [call(number), mov(0, 1), exit];
    expect(having(ofTask(14), { type: "sock_ops", attach: 3 })).toEqual(["6.12", "6.18"]);
    expect(having(ofTask(15), { type: "sock_ops", attach: 3 })).toEqual(["6.18"]);
    expect(having(ofTask(15), { type: "cgroup_sock_addr", attach: 10 })).toEqual(versions);
    expect(having(ofTask(14), { type: "kprobe" })).toEqual(versions);
  });
  test("a number stored into the context without a register", () => {
    const insns = [raw(0x62, 1, 0, 4, 1), mov(0, 1), exit];
    expect(having(insns, { type: "sock_ops", attach: 3 })).toEqual(["6.12", "6.18"]);
  });
  test("a field of the context", () => {
    const insns = [load(8, 2, 1, 216), mov(0, 1), exit];
    expect(having(insns, { type: "sock_ops", attach: 3 })).toEqual(["6.2", "6.12", "6.18"]);
  });
  test("a type of maps", () => {
    const maps = new Map([[HASH, { type: "bloom_filter", key: 0, value: 4, max: 4, flags: 0 } as const]]);
    expect(having([...mapFd(1, HASH), mov(0, 1), exit], { maps })).toEqual(["6.1", "6.2", "6.12", "6.18"]);
  });

  test("build says so of what the language offers", () => {
    const text = `import { license } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
export const program = sockOps((ctx) => {
  const timeout = ctx.getSockOpt("TCP_USER_TIMEOUT") ?? 0;
  return timeout > 0 ? 1 : 0;
});
`;
    const keys = (kernel?: Version): readonly string[] =>
      compile({ path: "p.ts", text }, kernel ? { kernel } : {}).diagnostics.map((one) => one.key);
    expect(keys()).toEqual(["needs-newer-kernel"]);
    expect(keys("5.15")).toEqual(["needs-newer-kernel"]);
    expect(keys("6.1")).toEqual([]);
    expect(keys("6.6")).toEqual([]);
  });
});

describe("what build emits is followed by every release of the target", () => {
  test.each(Array.from({ length: 24 }, (_, index) => 100 + index))("indexes, seed %i", (seed) => {
    const text = indexProgram(fromSeed(seed));
    const { module, diagnostics } = compile({ path: "indexes.ts", text });
    // Whether a program that is right is taken is another test's subject.
    if (diagnostics.some((one) => one.severity === "error" && one.key === "index-out-of-range")) return;
    expect(diagnostics.filter((one) => one.severity === "error")).toEqual([]);
    const verdicts = RELEASES.map((release) =>
      module!.programs.map((program) => verifyProgram(module!, program, "mainline", release).result.verdict),
    );
    expect(verdicts).toEqual(RELEASES.map(() => ["accept"]));
  });

  const product = `import { array, ArrayMap, license, struct, u32, u8 } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
class Slot extends struct({ a: u32, b: u32, bytes: array(u8, 16) }) {}
export const slots = new ArrayMap({ value: Slot, maxEntries: 1 });
export const program = sockOps(() => {
  const slot = slots.get(0);
  slot.bytes[(slot.a & 3) * (slot.b & 3)] = 1;
  return 1;
});
`;
  test("a check is put where the oldest kernel would lose sight of an index, and only there", () => {
    const sizes = RELEASES.map((kernel) => compile({ path: "p.ts", text: product }, { kernel }).module!);
    const [oldest, , newer, newest] = sizes.map((module) => module.programs[0]!.insns.length);
    expect(oldest).toBeGreaterThan(newest!);
    expect(newer).toBe(newest);
    expect(sizes.map((module) => module.kernel)).toEqual(RELEASES);
    expect(compile({ path: "p.ts", text: product }).module?.kernel).toBe(OLDEST);
    // Without it the oldest refuses.
    const bare = sizes.at(-1)!;
    expect(verifyProgram(bare, bare.programs[0]!, "mainline", OLDEST).result.verdict).toBe("reject");
  });
});

test("a function of the kernel that came later is told with the version that brought it", () => {
  const { module } = compile({ path: "reno.ts", text: readFileSync(join(root, "programs/reno.ts"), "utf8") });
  const calling = module!.programs.find(({ name }) => name === "reno_cong_avoid")!;
  const [said] = verifyProgram(module!, calling, "mainline", OLDEST).diagnostics;
  expect(said!.message).toMatch(/the kernel's tcp_slow_start is there for programs since Linux 5\.13, and Linux 5\.10/);
  expect(said!.help).toMatch(/--kernel 5\.13$/);
  expect(verifyProgram(module!, calling, "mainline", "5.13").diagnostics).toEqual([]);
});

const shared = (name: string): string => new URL(`../../../shared/data/${name}`, import.meta.url).pathname;
describe.each(["6.1", "6.12"] as const)("the shared corpus, labelled by Linux %s", (release) => {
  const files = ["verifier-corpus.json", `verdicts-${release}.json`];
  const missing = files.filter((file) => !existsSync(shared(file)));
  test.skipIf(missing.length > 0)(
    `no false accept, few false rejects${missing.length > 0 ? ` (skipped: no ../shared/data/${missing.join(", ")})` : ""}`,
    { timeout: 60_000 },
    () => {
      const programs = JSON.parse(readFileSync(shared(files[0]!), "utf8")) as CorpusProgram[];
      const { verdicts } = JSON.parse(readFileSync(shared(files[1]!), "utf8")) as {
        verdicts: Record<string, { verdict: string }>;
      };
      const wrong = programs.flatMap((program) => {
        const ours = corpusAnswer(program, { release }).verdict;
        const theirs = verdicts[program.name]!.verdict;
        return ours === "unsupported" || ours === theirs ? [] : [{ name: program.name, ours }];
      });
      expect(wrong.filter(({ ours }) => ours === "accept")).toEqual([]);
      // Old kernels take a few programs wrongly: they confuse pointers when they compare states. We do not.
      expect(wrong.length).toBeLessThanOrEqual(release === "6.1" ? 5 : 0);
    },
  );
});
