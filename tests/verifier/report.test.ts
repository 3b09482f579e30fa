/** Reports: a rejection in terms of the source, with the way there and the history of the value. */
import { expect, test } from "vitest";
import type { RawInsn } from "../../compiler/bpf/raw.ts";
import type { BpfModule } from "../../compiler/module.ts";
import { kernels } from "../../compiler/bpf/kernels.ts";
import { NEWEST } from "../../compiler/bpf/verifier-rules.ts";
import { verifyModule, verifyProgram } from "../../compiler/verifier/module.ts";
import { call, copy, exit, jump, load, mov, op, raw, storeImm } from "./assemble.ts";

const TEXT = `const found = sessions.lookup(0);
if (conn.state === 1) return;
const size = found.size;
return 1;
`;
/** The n-th line of the text as a span. */
const line = (n: number) => {
  const lines = TEXT.split("\n");
  const start = lines.slice(0, n - 1).join("\n").length + (n > 1 ? 1 : 0);
  return { file: 0, start, end: start + lines[n - 1]!.length };
};

const insns: readonly RawInsn[] = [
  copy(6, 1), // line 1
  storeImm(4, 10, -4, 0),
  copy(2, 10),
  op("add", 2, -4),
  raw(0x18, 1),
  raw(0),
  call(1),
  load(4, 1, 6, 88), // line 2
  jump("eq", 1, 1, 2),
  copy(7, 0), // line 3
  load(4, 1, 7, 4),
  mov(0, 1), // line 4
  exit,
];
const int = { kind: "int", bits: 32, signed: false } as const;
const sixteen = { kind: "array", of: int, length: 4 } as const;
const module: BpfModule = {
  license: "GPL",
  target: "mainline",
  needs: [],
  globals: [],
  sources: [{ path: "count.ts", text: TEXT }],
  maps: [
    { name: "sessions", type: "hash", key: int, value: sixteen, maxEntries: 8, flags: 0, pinned: false, initial: [] },
  ],
  programs: [
    {
      name: "count",
      section: "sockops",
      type: "sock_ops",
      attachType: 3,
      insns,
      relocations: [{ slot: 4, kind: "map", map: "sessions" }],
      lines: [
        { slot: 0, span: line(1) },
        { slot: 7, span: line(2) },
        { slot: 9, span: line(3) },
        { slot: 11, span: line(4) },
      ],
      functions: [{ name: "count", slot: 0 }],
      stack: 8,
    },
  ],
};

test("a rejection names the line, the map, the remedy, the path and where the value came from", () => {
  const [diagnostic, ...more] = verifyModule(module, kernels.mainline);
  expect(more).toEqual([]);
  expect(diagnostic).toMatchObject({ key: "verifier-rejects", severity: "error", span: line(3) });
  expect(diagnostic?.message).toContain("may be null");
  expect(diagnostic?.message).toContain("sessions");
  expect(diagnostic?.help).toContain("undefined");
  const notes = diagnostic?.notes ?? [];
  expect(notes.some((note) => note.text.includes("invalid mem access 'map_value_or_null'"))).toBe(true);
  expect(notes.some((note) => note.text.includes("bpf_map_lookup_elem") && note.span?.start === line(1).start)).toBe(
    true,
  );
  expect(notes.some((note) => note.text.includes("on where not") && note.span?.start === line(2).start)).toBe(true);
});

test("a helper that comes to the kind later is told with the release that has it", () => {
  const asking = { ...module.programs[0]!, insns: [call(122), mov(0, 1), exit], relocations: [], lines: [] };
  const judged = (release: "5.10" | "6.1") =>
    verifyProgram({ ...module, programs: [asking] }, asking, "mainline", release).diagnostics;
  const { message, help } = judged("5.10")[0]!;
  expect(message).toContain("may not call bpf_get_netns_cookie on Linux 5.10");
  expect(help).toMatch(/--kernel 5\.15$/);
  expect(judged("6.1")).toEqual([]);
});

test("the log has the registers before each instruction", () => {
  const { log } = verifyProgram(module, module.programs[0]!, "mainline", NEWEST, { verbose: true });
  expect(log?.[0]).toMatch(/^0: .*; R1=ctx R10=fp$/);
  expect(log?.some((text) => text.includes("R0=map_value_or_null"))).toBe(true);
});

test("with the check the program passes", () => {
  const checked = [...insns.slice(0, 8), jump("eq", 1, 1, 3), jump("eq", 0, 0, 2), ...insns.slice(9)];
  const program = { ...module.programs[0]!, insns: checked };
  expect(verifyModule({ ...module, programs: [program] }, kernels.mainline)).toEqual([]);
});
