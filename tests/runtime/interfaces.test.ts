// Numbers and texts that the runtime shares with others: the kernel's header, tsc, people.
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { structLayout } from "../../compiler/layout.ts";
import { typesFor } from "../../runtime/api.ts";
import { ATTR } from "../../runtime/kernel/abi.ts";
import { describe as describeRejection, readRejection } from "../../runtime/kernel/verifier-log.ts";
import { addressText } from "../../compiler/addresses.ts";
import { parseEvent } from "../../runtime/mptcp/generic-netlink.ts";
import { decodeAttributes, encodeAttributes, u16, u32, u8 } from "../../runtime/mptcp/netlink.ts";
import { be, int, mapSpec, moduleOf, movReg, returnOne, sockOps, exit } from "./hand-made.ts";
import { repository } from "./repository.ts";

const FAMILY = {
  batch: "batch.",
  info: "info.",
  linkCreate: "link_create.",
  linkUpdate: "link_update.",
  linkDetach: "link_detach.",
  testRun: "test.",
  enableStats: "enable_stats.",
  query: "query.",
} as const;
const noHeader =
  spawnSync("cc", ["-E", "-include", "linux/bpf.h", "-x", "c", "/dev/null"]).status === 0
    ? undefined
    : "no cc, or no linux/bpf.h";

describe("interfaces", () => {
  it.skipIf(noHeader)(
    `fields of union bpf_attr lie where the kernel's header says${noHeader ? ` (skipped: ${noHeader})` : ""}`,
    () => {
      const fields = Object.entries(ATTR).flatMap(([family, rows]) =>
        Object.entries(rows).map(([field, [offset, size]]) => ({
          path: `${(FAMILY as Record<string, string>)[family] ?? ""}${field}`,
          offset,
          size,
        })),
      );
      const folder = mkdtempSync(join(tmpdir(), "tsbpf-attr-"));
      try {
        const print = fields.map(
          ({ path }) =>
            `printf("%zu %zu\\n", offsetof(union bpf_attr, ${path}), sizeof(((union bpf_attr *)0)->${path}));`,
        );
        writeFileSync(
          join(folder, "a.c"),
          `#include <linux/bpf.h>\n#include <stddef.h>\n#include <stdio.h>\nint main(void) { ${print.join("\n")} return 0; }\n`,
        );
        execFileSync("cc", ["-o", join(folder, "a"), join(folder, "a.c")]);
        const lines = execFileSync(join(folder, "a"), { encoding: "utf8" }).trim().split("\n");
        expect(lines).toEqual(fields.map(({ offset, size }) => `${offset} ${size}`));
      } finally {
        rmSync(folder, { recursive: true });
      }
    },
  );

  it("declarations of an object type its handles, and tsc rejects what does not fit", () => {
    const value = structLayout(
      "Seen",
      [
        { name: "addr", layout: be(32) },
        { name: "total", layout: int(64) },
        { name: "tail", layout: { kind: "array", of: int(8), length: 2 } },
      ],
      false,
    );
    const text = typesFor(
      moduleOf({
        maps: [
          mapSpec("totals", "hash", int(32), value, 4),
          mapSpec("each", "percpu_array", int(32), int(64), 1),
          mapSpec("events", "ringbuf", undefined, value, 4096),
        ],
        globals: [
          { name: "limit", section: ".rodata", offset: 0, layout: int(8), init: new Uint8Array(1), param: true },
        ],
        programs: [sockOps("watch", returnOne)],
      }),
    );
    const folder = mkdtempSync(join(repository, "tests/runtime/.types-"));
    try {
      writeFileSync(join(folder, "object.d.ts"), text);
      writeFileSync(
        join(folder, "use.ts"),
        `import type { Loaded } from "./object.d.ts";
import { load } from "../../../runtime/api.ts";
export async function use(): Promise<void> {
  const object = load<Loaded>("object.o", { params: { limit: 3 } });
  object.maps.totals.set(1, { addr: "10.0.0.1", total: 2n, tail: [1, 2] });
  const total: bigint | undefined = object.maps.totals.get(1)?.total;
  const each: readonly bigint[] | undefined = object.maps.each.get(0);
  for await (const record of object.rings.events.stream()) if (record.total === total && each) break;
  object.programs.watch.attach("/sys/fs/cgroup");
  // @ts-expect-error a bigint is needed
  object.maps.totals.set(1, { addr: 1, total: 2, tail: [] });
  // @ts-expect-error there is no such map
  object.maps.nothing.get(1);
  // @ts-expect-error there is no such param
  load<Loaded>("object.o", { params: { nothing: 3 } });
}
`,
      );
      writeFileSync(
        join(folder, "tsconfig.json"),
        JSON.stringify({
          extends: "../../../tsconfig.json",
          compilerOptions: {
            noEmit: true,
            listFiles: true,
            paths: { "tsbpf/runtime": [join(repository, "runtime/api.ts")] },
          },
          include: ["use.ts"],
          exclude: [],
        }),
      );
      const tsc = spawnSync(process.execPath, [join(repository, "node_modules/typescript/bin/tsc"), "-p", folder], {
        encoding: "utf8",
      });
      const lines = tsc.stdout.split("\n");
      expect(lines.filter((line) => /(?:use|object\.d)\.ts\(\d/.test(line))).toEqual([]);
      // It did look at the files.
      expect(lines.filter((line) => line.endsWith("/use.ts") || line.endsWith("/object.d.ts"))).toHaveLength(2);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it("netlink attributes go out and come back; what is cut off is left out", () => {
    const bytes = encodeAttributes([
      [1, u8(7)],
      [2, u16(515)],
      [4, [[1, u32(0xffffffff)]]],
    ]);
    const back = decodeAttributes(bytes);
    expect([...back.keys()]).toEqual([1, 2, 4]);
    expect(back.get(2)).toEqual(new Uint8Array([3, 2]));
    expect(decodeAttributes(back.get(4)!).get(1)).toEqual(new Uint8Array([255, 255, 255, 255]));
    for (let cut = 0; cut < bytes.length; cut++)
      expect(decodeAttributes(bytes.subarray(0, cut)).size).toBeLessThanOrEqual(3);
    expect(parseEvent(new Uint8Array([2, 1, 0, 0, 3, 0]))).toBeUndefined();
  });

  it("IPv6 addresses are written as RFC 5952 says", () => {
    const text = (hex: string): string => addressText(new Uint8Array(Buffer.from(hex, "hex")));
    expect(text("20010db8000000000000000000000001")).toBe("2001:db8::1");
    expect(text("20010db8000000010001000100010001")).toBe("2001:db8:0:1:1:1:1:1");
    expect(text("00000000000000000000000000000000")).toBe("::");
    expect(text("0a000001")).toBe("10.0.0.1");
  });

  it("a verifier's log leads with its reason and the TypeScript line", () => {
    const program = sockOps("bad", [movReg(0, 3), exit]);
    const log =
      "0: R1=ctx() R10=fp0\n; const here = 2; @ hand-made.ts:2\n0: (bf) r0 = r3\nR3 !read_ok\nprocessed 1 insns\n";
    const rejection = readRejection(log, moduleOf({}), program);
    expect(rejection).toMatchObject({ reason: "R3 !read_ok", slot: 0, place: { line: 2 } });
    expect(describeRejection("bad", rejection).split("\n")[0]).toBe("the kernel's verifier refuses bad: R3 !read_ok");
    expect(readRejection("", moduleOf({}), program).reason).toBe("no reason given");
  });

  it("a log that goes on with reason and suggestion says both", () => {
    const program = sockOps("bad", [movReg(0, 3), exit]);
    const log = `0: R1=ctx() R10=fp0
0: (bf) r0 = r3
R3 !read_ok

Verification failed: Register Type Safety: Unreadable register

Reason:
  R3 was never set on this path,
  and is read.

At:
  insn 0
        | ^-- error: R3
  Instruction context:
  >>> 0 | (bf) r0 = r3

Causal path:
  nothing

Suggestion:
  Set R3 first.

processed 1 insns (limit 1000000)
`;
    const rejection = readRejection(log, moduleOf({}), program);
    expect(rejection).toMatchObject({
      reason: "R3 !read_ok",
      slot: 0,
      explained: {
        rule: "Register Type Safety: Unreadable register",
        reason: "R3 was never set on this path, and is read.",
        suggestion: "Set R3 first.",
      },
    });
    expect(describeRejection("bad", rejection).split("\n").slice(0, 3)).toEqual([
      "the kernel's verifier refuses bad: R3 !read_ok",
      "  R3 was never set on this path, and is read.",
      "  Set R3 first.",
    ]);
  });
});
