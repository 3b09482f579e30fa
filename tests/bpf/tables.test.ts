/** The tables under compiler/bpf against the kernel's own words: headers, running kernel, patched kernel, libbpf. */
import { spawnSync } from "node:child_process";
import { release } from "node:os";
import { describe, expect, test } from "vitest";
import { CORE_KINDS, CORE_RELOCATIONS } from "../../compiler/bpf/core-kinds.ts";
import { HELPERS } from "../../compiler/bpf/helpers.ts";
import { KFUNCS } from "../../compiler/bpf/kfuncs.ts";
import { MAX_FUNC_ARGUMENTS, MAX_REG_ARGUMENTS } from "../../compiler/bpf/limits.ts";
import { OPS_STRUCTS, type OpsStruct } from "../../compiler/bpf/kinds/struct-ops.ts";
import { MAP_FLAGS, MAP_TYPES } from "../../compiler/bpf/map-types.ts";
import { ALU, ATOMIC, CALL, CLASS, JMP, MODE, PSEUDO, SIZE } from "../../compiler/bpf/opcodes.ts";
import { ATTACH_TYPES } from "../../compiler/bpf/kinds/attach-types.ts";
import {
  COMPILED,
  KIND_NAMES,
  KINDS,
  PROGRAM_SECTIONS,
  programSection,
  type CompiledKind,
  type ContextField,
  type Kind,
} from "../../compiler/bpf/kinds/index.ts";
import { OPTION_ROWS } from "../../compiler/bpf/option-names.ts";
import { SOCK_OPS_CALLBACKS, SOCK_OPS_EVENTS } from "../../compiler/bpf/kinds/sock-ops.ts";
import { SOCKET_OPTIONS } from "../../compiler/bpf/socket-options.ts";
import { TCP_STATES } from "../../compiler/bpf/tcp-states.ts";
import { isAtLeast, NEWEST, OLDEST, versionIn } from "../../compiler/bpf/verifier-rules.ts";
import { BTF_KIND } from "../../compiler/object/btf.ts";
import { headers, patchedKernel, runningKernel } from "./truth.ts";

/** Our numbers by the kernel's names, table by table. */
type Numbers = Readonly<Record<string, number>>;
const named = <K extends string>(
  table: Readonly<Record<K, unknown>>,
  name: (key: K) => string,
  number: (key: K) => number,
): Numbers => Object.fromEntries((Object.keys(table) as K[]).map((key) => [name(key), number(key)]));
const upper = (text: string): string => text.toUpperCase();

const CALLBACKS = {
  Rto: "BPF_SOCK_OPS_RTO_CB_FLAG",
  Retrans: "BPF_SOCK_OPS_RETRANS_CB_FLAG",
  State: "BPF_SOCK_OPS_STATE_CB_FLAG",
  Rtt: "BPF_SOCK_OPS_RTT_CB_FLAG",
  ParseAllOptions: "BPF_SOCK_OPS_PARSE_ALL_HDR_OPT_CB_FLAG",
  ParseUnknownOptions: "BPF_SOCK_OPS_PARSE_UNKNOWN_HDR_OPT_CB_FLAG",
  WriteOption: "BPF_SOCK_OPS_WRITE_HDR_OPT_CB_FLAG",
  TcpOptions: "BPF_SOCK_OPS_TCP_OPTIONS_CB_FLAG",
} as const satisfies Record<keyof typeof SOCK_OPS_CALLBACKS, string>;
const FLAGS = {
  noPrealloc: "BPF_F_NO_PREALLOC",
  readOnlyProgram: "BPF_F_RDONLY_PROG",
  writeOnlyProgram: "BPF_F_WRONLY_PROG",
  mmapable: "BPF_F_MMAPABLE",
  clone: "BPF_F_CLONE",
} as const satisfies Record<keyof typeof MAP_FLAGS, string>;
const CORE_NAMES = {
  byteOffset: "BPF_CORE_FIELD_BYTE_OFFSET",
  byteSize: "BPF_CORE_FIELD_BYTE_SIZE",
  exists: "BPF_CORE_FIELD_EXISTS",
  signed: "BPF_CORE_FIELD_SIGNED",
  shiftLeft: "BPF_CORE_FIELD_LSHIFT_U64",
  shiftRight: "BPF_CORE_FIELD_RSHIFT_U64",
  localTypeId: "BPF_CORE_TYPE_ID_LOCAL",
  targetTypeId: "BPF_CORE_TYPE_ID_TARGET",
  typeExists: "BPF_CORE_TYPE_EXISTS",
  typeSize: "BPF_CORE_TYPE_SIZE",
  valueExists: "BPF_CORE_ENUMVAL_EXISTS",
  value: "BPF_CORE_ENUMVAL_VALUE",
} as const satisfies Record<keyof typeof CORE_RELOCATIONS, string>;
const CORE_EMITTED = {
  "byte-offset": "BPF_CORE_FIELD_BYTE_OFFSET",
  "shift-left": "BPF_CORE_FIELD_LSHIFT_U64",
  "shift-right": "BPF_CORE_FIELD_RSHIFT_U64",
} as const satisfies Record<keyof typeof CORE_KINDS, string>;
const PSEUDO_NAMES = {
  mapFd: "BPF_PSEUDO_MAP_FD",
  mapValue: "BPF_PSEUDO_MAP_VALUE",
  btfId: "BPF_PSEUDO_BTF_ID",
  func: "BPF_PSEUDO_FUNC",
  mapIdx: "BPF_PSEUDO_MAP_IDX",
  mapIdxValue: "BPF_PSEUDO_MAP_IDX_VALUE",
} as const satisfies Record<keyof typeof PSEUDO, string>;

const TABLES = {
  "TCP states": named(
    TCP_STATES,
    (key) => `BPF_TCP_${upper(key.replace(/[A-Z]/g, "_$&"))}`,
    (key) => TCP_STATES[key],
  ),
  "instruction classes": named(
    CLASS,
    (key) => `BPF_${upper(key)}`,
    (key) => CLASS[key],
  ),
  "access sizes": named(
    SIZE,
    (key) => `BPF_${upper(key)}`,
    (key) => SIZE[key],
  ),
  "access modes": named(
    MODE,
    (key) => `BPF_${upper(key)}`,
    (key) => MODE[key],
  ),
  arithmetic: named(
    ALU,
    (key) => `BPF_${upper(key)}`,
    (key) => ALU[key].code,
  ),
  jumps: named(
    JMP,
    (key) => `BPF_${upper(key)}`,
    (key) => JMP[key].code,
  ),
  "fetching atomics": { BPF_FETCH: ATOMIC.fetch, BPF_XCHG: ATOMIC.xchg, BPF_CMPXCHG: ATOMIC.cmpxchg },
  "sources of lddw": named(
    PSEUDO,
    (key) => PSEUDO_NAMES[key],
    (key) => PSEUDO[key],
  ),
  calls: { BPF_PSEUDO_CALL: CALL.local, BPF_PSEUDO_KFUNC_CALL: CALL.kfunc },
  helpers: named(
    HELPERS,
    (key) => `BPF_FUNC_${key}`,
    (key) => HELPERS[key].id,
  ),
  "map types": named(
    MAP_TYPES,
    (key) => `BPF_MAP_TYPE_${upper(key)}`,
    (key) => MAP_TYPES[key].number,
  ),
  "map flags": named(
    MAP_FLAGS,
    (key) => FLAGS[key],
    (key) => MAP_FLAGS[key],
  ),
  "program types": named(
    KINDS,
    (key) => `BPF_PROG_TYPE_${upper(key)}`,
    (key) => KINDS[key].number,
  ),
  "attach types": named(
    ATTACH_TYPES,
    (key) => `BPF_${upper(key)}`,
    (key) => ATTACH_TYPES[key],
  ),
  events: named(
    SOCK_OPS_EVENTS,
    (key) => SOCK_OPS_EVENTS[key].kernel,
    (key) => SOCK_OPS_EVENTS[key].op,
  ),
  "callback flags": named(
    SOCK_OPS_CALLBACKS,
    (key) => CALLBACKS[key],
    (key) => SOCK_OPS_CALLBACKS[key].bit,
  ),
  "socket options": named(
    SOCKET_OPTIONS,
    (key) => key,
    (key) => SOCKET_OPTIONS[key].number,
  ),
  // Only these are an enum.
  "socket options of programs": Object.fromEntries(
    Object.entries(SOCKET_OPTIONS).flatMap(([name, { number }]) => (name.includes("_BPF_") ? [[name, number]] : [])),
  ),
  "levels and options of sockets": Object.fromEntries(
    Object.values(OPTION_ROWS).flatMap((rows: Readonly<Record<string, { number: number; kernel: string }>>) =>
      Object.values(rows).map(({ number, kernel }) => [kernel, number]),
    ),
  ),
  "CO-RE relocations": named(
    CORE_RELOCATIONS,
    (key) => CORE_NAMES[key],
    (key) => CORE_RELOCATIONS[key],
  ),
  "CO-RE relocations that are emitted": named(
    CORE_KINDS,
    (key) => CORE_EMITTED[key],
    (key) => CORE_KINDS[key],
  ),
  "kinds of BTF": named(
    BTF_KIND,
    (key) => `BTF_KIND_${upper(key)}`,
    (key) => BTF_KIND[key],
  ),
} satisfies Record<string, Numbers>;

/** The fields of each kind's context, as "bpf_sock_ops.op"; what is entered with a function's arguments has none. */
type Context = readonly [string, readonly (readonly [string, ContextField])[]];
const contexts = KIND_NAMES.flatMap((kind): readonly Context[] => {
  const { context, fields }: CompiledKind = COMPILED[kind];
  if (context === undefined) return [];
  return [[context, Object.entries(fields).map(([name, field]) => [`${context}.${name}`, field] as const)]];
});
const fields = contexts.flatMap(([, list]) => list);
const allNames = Object.values(TABLES).flatMap((table: Numbers) => Object.keys(table));
const truths = [
  headers(
    allNames,
    fields.map(([name]) => name),
  ),
  runningKernel(),
  patchedKernel(),
];
type Table = keyof typeof TABLES;
/** What only the compiler's headers know: macros are neither in BTF nor in what the patched kernel added. */
const ENUMS: readonly Table[] = [
  "helpers",
  "map types",
  "map flags",
  "program types",
  "attach types",
  "events",
  "callback flags",
  "socket options of programs",
  "kinds of BTF",
];
const ADDED: readonly Table[] = ["helpers", "events", "callback flags", "socket options"];
const has = (what: string): [string, Numbers][] =>
  (Object.entries(TABLES) as [Table, Numbers][]).filter(([table]) =>
    (what.endsWith("vmlinux") ? ENUMS : what.endsWith("uapi.json") ? ADDED : [table]).includes(table),
  );
const here = truths.filter(({ reason }) => reason === undefined);

for (const truth of truths) {
  describe.skipIf(truth.reason !== undefined)(`${truth.what}${truth.reason ?? ""}`, () => {
    test.each(has(truth.what))("agrees on: %s", (_, table) => {
      const theirs: Record<string, number> = {};
      for (const name of Object.keys(table)) {
        const value = truth.value(name);
        if (value !== undefined) theirs[name] = value;
      }
      expect(table).toMatchObject(theirs);
      // Nothing to compare with is no agreement. A release may be older than a row, not than most of a table.
      const share = Object.keys(theirs).length / Object.keys(table).length;
      expect(share).toBeGreaterThan(0.4);
    });

    const told = truth.what.endsWith("uapi.json") ? contexts.slice(0, 1) : contexts;
    test.each(told)("agrees on where the fields of struct %s lie", (_, list) => {
      let known = 0;
      for (const [name, { offset, bytes, count }] of list) {
        const theirs = truth.field(name);
        if (!theirs) continue;
        known++;
        expect({ name, offset, size: bytes * (count ?? 1) }).toEqual({ name, ...theirs });
      }
      expect(known).toBeGreaterThan(list.length * 0.6);
    });
  });
}

/** A kernel newer than all that we know may have more. */
const newer = !isAtLeast(NEWEST, versionIn(release()) ?? OLDEST);
for (const truth of truths) {
  const reason = truth.reason ?? (newer && truth.what.endsWith("vmlinux") ? " (skipped: newer than we know)" : "");
  const listed = contexts.filter(([context]) => (truth.members(context)?.size ?? 0) > 0);
  if (truth.reason === undefined && listed.length === 0) continue;
  describe.skipIf(reason !== "")(`every member of a context is a row's: ${truth.what}${reason}`, () => {
    test.each(reason === "" ? listed : contexts)("struct %s", (context, list) => {
      const rows = list.map(([, { offset, bytes, count }]) => ({ start: offset, end: offset + bytes * (count ?? 1) }));
      const left = [...truth.members(context)!].filter(
        ([, { offset, size }]) => !rows.some(({ start, end }) => start <= offset && offset + size <= end),
      );
      expect(left.map(([name]) => name)).toEqual([]);
    });
  });
}

test("no row has more arguments than there is room for", () => {
  const longest = (rows: object): number =>
    Math.max(...Object.values(rows as Record<string, { args: readonly unknown[] }>).map(({ args }) => args.length));
  expect(longest(HELPERS)).toBe(MAX_REG_ARGUMENTS);
  expect(longest(KFUNCS)).toBeLessThanOrEqual(MAX_REG_ARGUMENTS);
  for (const { members } of Object.values<OpsStruct>(OPS_STRUCTS))
    expect(longest(members)).toBeLessThanOrEqual(MAX_FUNC_ARGUMENTS);
});

describe.skipIf(here.length < truths.length)(
  `every row is known to somebody${here.length < truths.length ? " (skipped: not all sources are here)" : ""}`,
  () => {
    test.each(Object.entries(TABLES) as [string, Numbers][])("%s", (_, table) => {
      const unknown = Object.keys(table).filter((name) => here.every((truth) => truth.value(name) === undefined));
      expect(unknown.filter((name) => !WITHOUT_MACRO.has(name))).toEqual([]);
    });

    test("fields of contexts", () => {
      const unknown = fields.filter(([name]) => here.every((truth) => truth.field(name) === undefined));
      expect(unknown).toEqual([]);
    });
  },
);
/** A name that only exists in prose, and a macro that the newest headers have. */
const WITHOUT_MACRO = new Set(["BPF_MEMSX", "TCP_RTO_MAX_MS"]);

/** What libbpf makes of section names. */
const SECTION_ORACLE = `
#include <bpf/libbpf.h>
#include <stdio.h>
#include <string.h>
static int quiet(enum libbpf_print_level level, const char *format, va_list rest) { return 0; }
int main(void) {
  char line[256];
  libbpf_set_print(quiet);
  while (fgets(line, sizeof(line), stdin)) {
    enum bpf_prog_type type; enum bpf_attach_type attach;
    line[strcspn(line, "\\n")] = 0;
    if (libbpf_prog_type_by_name(line, &type, &attach)) printf("%s ?\\n", line);
    else printf("%s %d %d\\n", line, type, attach);
  }
  return 0;
}`;
/** What libbpf calls program types and attach types, by their numbers: "type 13 sock_ops". */
const NAME_ORACLE = `
#include <bpf/libbpf.h>
#include <stdio.h>
int main(void) {
  for (int n = 0; n < 64; n++) {
    const char *type = libbpf_bpf_prog_type_str(n), *attach = libbpf_bpf_attach_type_str(n);
    if (type) printf("type %d %s\\n", n, type);
    if (attach) printf("attach %d %s\\n", n, attach);
  }
  return 0;
}`;
function askLibbpf(source: string, lines: readonly string[]): string[] | undefined {
  const script =
    'd=$(mktemp -d) && printf "%s" "$SOURCE" | gcc -w -x c - -o $d/a -lbpf && $d/a; r=$?; rm -rf "$d"; exit $r';
  const { status, stdout } = spawnSync("sh", ["-c", script], {
    input: `${lines.join("\n")}\n`,
    encoding: "utf8",
    env: { ...process.env, SOURCE: source },
  });
  return status === 0 ? stdout.trim().split("\n") : undefined;
}

const rules = Object.entries(PROGRAM_SECTIONS);
const asked = rules.map(([name, rule]) => ("prefix" in rule ? `${name}/something` : name));
const answers = askLibbpf(SECTION_ORACLE, [...asked, "sockops/x", "nonsense"]);
describe.skipIf(!answers)(`libbpf${answers ? "" : " (skipped: no gcc, or no libbpf to link with)"}`, () => {
  test("gives sections the same program types and attach types", () => {
    const theirs = answers!.slice(0, rules.length);
    const ours = rules.map(([, { type, attach }], index) => `${asked[index]} ${KINDS[type].number} ${attach}`);
    // libbpf of this machine may be older than a section's name.
    expect(ours.filter((line, index) => line !== theirs[index] && !theirs[index]!.endsWith("?"))).toEqual([]);
    expect(theirs.filter((line) => line.endsWith("?")).length).toBeLessThan(6);
  });

  test("calls program types and attach types as the tables do", () => {
    const theirs = askLibbpf(NAME_ORACLE, [])!;
    const ours = [
      ...Object.entries<Kind>(KINDS).map(([name, { number }]) => `type ${number} ${name}`),
      ...Object.entries(ATTACH_TYPES).map(([name, number]) => `attach ${number} ${name}`),
    ];
    // libbpf of this machine may be older than a number; those that it knows it calls so.
    const known = new Set(theirs.map((line) => line.replace(/ \S+$/, "")));
    expect(ours.filter((line) => known.has(line.replace(/ \S+$/, "")) && !theirs.includes(line))).toEqual([]);
    expect(ours.filter((line) => theirs.includes(line)).length).toBeGreaterThan(60);
  });

  test("knows no section that only looks like one", () => {
    expect(answers!.slice(-2)).toEqual(["sockops/x ?", "nonsense ?"]);
    expect(programSection("sockops/x")).toBeUndefined();
    expect(programSection("nonsense")).toBeUndefined();
    expect(programSection("?tc")).toEqual({ type: "sched_cls", attach: 0 });
    expect(programSection("constructor")).toBeUndefined();
  });
});
