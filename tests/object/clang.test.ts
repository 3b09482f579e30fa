/** Objects that clang made: read as libbpf reads them, and disassembled as LLVM does. */
import { describe, expect, test } from "vitest";
import { LDDW, PSEUDO } from "../../compiler/bpf/opcodes.ts";
import { decodeSlots, encodeSlots } from "../../compiler/bpf/raw.ts";
import { lineAndColumn, lineText } from "../../compiler/span.ts";
import type { BpfModule } from "../../compiler/module.ts";
import { decodeBtf } from "../../compiler/object/btf.ts";
import { listing } from "../../compiler/object/listing.ts";
import { readObject } from "../../compiler/object/read.ts";
import { writeObject } from "../../compiler/object/write.ts";
import { sectionTexts } from "./disassembly.ts";
import { bpftool, clang, libbpf } from "./kernel.ts";
import { objdump } from "./llvm.ts";

const compiler = clang();
const library = libbpf(bpftool());

const HEAD = `#include <linux/bpf.h>
#include <linux/types.h>
#include <bpf/bpf_helpers.h>
char LICENSE[] SEC("license") = "GPL";
`;

const SOURCES = {
  "maps, variables, static and global functions": `${HEAD}
struct inner { __u16 a; __be16 b; } __attribute__((packed));
struct value { __u32 count; struct inner list[3]; char name[7]; __s8 mark; union { __u32 x; __u64 y; } u; };
struct {
  __uint(type, BPF_MAP_TYPE_HASH);
  __uint(max_entries, 16);
  __type(key, __u32);
  __type(value, struct value);
  __uint(map_flags, BPF_F_NO_PREALLOC);
} counts SEC(".maps");
struct { __uint(type, BPF_MAP_TYPE_RINGBUF); __uint(max_entries, 4096); } ring SEC(".maps");
struct {
  __uint(type, BPF_MAP_TYPE_ARRAY);
  __uint(max_entries, 2);
  __uint(key_size, 4);
  __uint(value_size, 24);
} sizes SEC(".maps");
const volatile __u32 limit = 7;
const char words[] = "some words";
int counter = 3;
static __u64 hidden;
__u8 area[32];
static __attribute__((noinline)) int add(struct bpf_sock_ops *ctx, int x) { hidden++; return x + ctx->op; }
__attribute__((noinline)) int global(struct bpf_sock_ops *ctx) { return add(ctx, 3) + counter; }
SEC("sockops") int first(struct bpf_sock_ops *ctx) {
  __u32 key = ctx->op;
  struct value *found = bpf_map_lookup_elem(&counts, &key);
  void *other = bpf_map_lookup_elem(&sizes, &key);
  void *record = bpf_ringbuf_reserve(&ring, 8, 0);
  if (record) bpf_ringbuf_discard(record, 0);
  if (found) { found->count += limit; bpf_printk("seen %d %s", key, words); }
  if (other) area[key & 31] = words[key & 7];
  return (add(ctx, counter) + global(ctx)) & 1;
}
SEC("sockops") int second(struct bpf_sock_ops *ctx) { return global(ctx) & 1; }
`,
  "a callback": `${HEAD}
static __attribute__((noinline)) int before(struct bpf_sock_ops *ctx) { return ctx->op; }
static int turn(__u32 index, __u64 *sum) { *sum += index; return 0; }
SEC("sockops") int looping(struct bpf_sock_ops *ctx) {
  __u64 sum = before(ctx);
  bpf_loop(8, turn, &sum, 0);
  return sum & 1;
}
`,
  "several sections and attach types": `${HEAD}
SEC("xdp") int pass(struct xdp_md *ctx) { return XDP_PASS; }
SEC("cgroup_skb/egress") int out(struct __sk_buff *skb) { return 1; }
SEC("cgroup/connect4") int connect4(struct bpf_sock_addr *ctx) { return 1; }
SEC("tc") int classify(struct __sk_buff *skb) { return 0; }
SEC("cgroup/setsockopt") int option(struct bpf_sockopt *ctx) { return 1; }
`,
  "CO-RE": `${HEAD}
struct task_struct { int pid; int tgid; } __attribute__((preserve_access_index));
struct sock_common { unsigned short skc_family; } __attribute__((preserve_access_index));
static __attribute__((noinline)) int family(struct sock_common *sk) {
  unsigned short value = 0;
  bpf_probe_read_kernel(&value, sizeof(value), __builtin_preserve_access_index(&sk->skc_family));
  return value;
}
SEC("raw_tp/sched_switch") int switched(__u64 *ctx) {
  struct task_struct *task = (void *)bpf_get_current_task();
  int id = 0;
  bpf_probe_read_kernel(&id, sizeof(id), &task->tgid);
  return family((void *)task) + id;
}
`,
} as const;
type SourceName = keyof typeof SOURCES;
const names = Object.keys(SOURCES) as SourceName[];
const CPUS = ["v1", "v2", "v3", "v4"] as const;

const compiled = (name: SourceName, cpu: string = "v3"): Uint8Array =>
  compiler.compile(SOURCES[name], compiler.available ? [`-mcpu=${cpu}`] : []);
function moduleOf(object: Uint8Array): BpfModule {
  const { module, problems } = readObject(object);
  expect(problems).toEqual([]);
  return module!;
}

describe.skipIf(!compiler.available)(`clang's objects${compiler.reason}`, () => {
  test("maps, with the layouts of their keys and values", () => {
    const { maps } = moduleOf(compiled(names[0]!));
    const [counts, ring, sizes] = ["counts", "ring", "sizes"].map((name) => maps.find((map) => map.name === name));
    expect(counts).toMatchObject({ name: "counts", type: "hash", maxEntries: 16, flags: 1, pinned: false });
    expect(counts!.value).toMatchObject({
      kind: "struct",
      name: "value",
      size: 32,
      packed: false,
      fields: [
        { name: "count", offset: 0, layout: { kind: "int", bits: 32, signed: false } },
        {
          name: "list",
          offset: 4,
          layout: {
            kind: "array",
            length: 3,
            of: {
              kind: "struct",
              name: "inner",
              size: 4,
              fields: [{ name: "a" }, { layout: { kind: "be", bits: 16 } }],
            },
          },
        },
        { name: "name", offset: 16, layout: { kind: "cstring", size: 7 } },
        { name: "mark", offset: 23, layout: { kind: "int", bits: 8, signed: true } },
        { name: "u", offset: 24, layout: { kind: "array", length: 8 } },
      ],
    });
    expect(ring).toEqual({ name: "ring", type: "ringbuf", maxEntries: 4096, flags: 0, pinned: false, initial: [] });
    expect(sizes).toMatchObject({ key: { kind: "int", bits: 32 }, value: { kind: "array", length: 24 } });
  });

  test("variables of all sections, strings included", () => {
    const { globals } = moduleOf(compiled(names[0]!));
    const byName = new Map(globals.map((each) => [each.name, each]));
    expect(byName.get("limit")).toMatchObject({ section: ".rodata", param: true, init: Uint8Array.of(7, 0, 0, 0) });
    expect(byName.get("words")).toMatchObject({
      section: ".rodata",
      param: false,
      layout: { kind: "cstring", size: 11 },
    });
    expect(byName.get("counter")).toMatchObject({ section: ".data", init: Uint8Array.of(3, 0, 0, 0) });
    expect(byName.get("hidden")).toMatchObject({ section: ".bss", layout: { kind: "int", bits: 64 } });
    expect(byName.get("area")).toMatchObject({ section: ".bss", layout: { kind: "array", length: 32 } });
    expect(globals.some((each) => new TextDecoder().decode(each.init).startsWith("seen %d %s"))).toBe(true);
  });

  test("sections that are kept apart only in ELF", () => {
    const module = moduleOf(
      compiler.compile(`${HEAD}
const volatile __u32 one = 7; const volatile __u32 two SEC(".rodata.more") = 9; __u32 three SEC(".data.more") = 11;
SEC("sockops") int f(void *ctx) { return two + one + three; }`),
    );
    const read = module.programs[0]!.relocations.map((relocation) => {
      if (relocation.kind !== "global") return undefined;
      return module.globals.find(
        ({ section, offset }) => section === relocation.section && offset === relocation.offset,
      )?.init[0];
    });
    expect(read.toSorted((a, b) => a! - b!)).toEqual([7, 9, 11]);
  });

  test("lines of the C source", () => {
    const module = moduleOf(compiled(names[0]!));
    const program = module.programs.find(({ name }) => name === "first")!;
    const shown = program.lines.map(({ span }) => {
      const { text } = module.sources[span.file]!;
      return lineText(text, lineAndColumn(text, span.start).line).trim();
    });
    expect(shown[0]).toBe('SEC("sockops") int first(struct bpf_sock_ops *ctx) {');
    expect(shown).toContain("__u32 key = ctx->op;");
    expect(shown).toContain(
      "static __attribute__((noinline)) int add(struct bpf_sock_ops *ctx, int x) { hidden++; return x + ctx->op; }",
    );
    expect(program.functions.map(({ name }) => name)).toEqual(["first", "add", "global"]);
    for (const { slot } of program.functions) expect(program.lines.some((line) => line.slot === slot)).toBe(true);
  });

  test("program types by section", () => {
    const { programs } = moduleOf(compiled("several sections and attach types"));
    expect(programs.map(({ name, type, attachType }) => `${name} ${type} ${attachType}`)).toEqual([
      "pass xdp 37",
      "out cgroup_skb 1",
      "connect4 cgroup_sock_addr 10",
      "classify sched_cls 0",
      "option cgroup_sockopt 22",
    ]);
  });

  test("CO-RE relocations go along with the BTF that they speak of", () => {
    const { kernelInfo, module } = readObject(compiled("CO-RE"));
    const [info] = kernelInfo!.programs;
    const view = new DataView(info!.core.buffer, info!.core.byteOffset, info!.core.byteLength);
    const offsets = Array.from({ length: info!.core.length / 16 }, (_, index) => view.getUint32(index * 16, true));
    const [main, family] = module!.programs[0]!.functions;
    expect(offsets.some((offset) => offset / 8 < family!.slot)).toBe(true);
    expect(offsets.some((offset) => offset / 8 > family!.slot)).toBe(true);
    expect(main!.slot).toBe(0);
    const btf = decodeBtf(kernelInfo!.btf);
    if ("problem" in btf) throw new Error(btf.problem.text);
    expect(btf.value.types[view.getUint32(4, true)]).toMatchObject({ kind: "struct", name: "task_struct" });
    for (const type of btf.value.types) if (type?.kind === "datasec") expect(type.size).toBeGreaterThan(0);
  });

  test.each(names)("written again by us and read: %s", (name) => {
    const module = moduleOf(compiled(name));
    const again = moduleOf(writeObject(module));
    // clang's paths are absolute; ours never are.
    expect(listing(again)).toBe(listing(module).replaceAll(/^; \S*\//gm, "; "));
    expect(again.programs.map(({ insns }) => insns)).toEqual(module.programs.map(({ insns }) => insns));
  });

  test("what a module cannot say is told", () => {
    const told = (text: string): string[] =>
      readObject(compiler.compile(HEAD + text)).problems.map((each) => each.text);
    expect(told(`extern int missing(void); SEC("sockops") int f(void *c) { return missing(); }`)).toEqual([
      "sockops, function f: missing is not defined in this object",
    ]);
    expect(
      told(
        `struct { __uint(type, 12); __uint(max_entries, 1); __type(key, int); __array(values, struct { __uint(type, 1); }); } m SEC(".maps");
         SEC("sockops") int f(void *c) { return 0; }`,
      ),
    ).toEqual(["map m: it holds maps or programs, which is not supported"]);
  });

  test.skipIf(!objdump.available)(`disassembles as LLVM does, for every instruction set${objdump.reason}`, () => {
    for (const name of names)
      for (const cpu of CPUS) {
        const object = compiled(name, cpu);
        expect(sectionTexts(object)).toEqual(objdump.run(object));
        expect(sectionTexts(object, "v4")).toEqual(objdump.run(object, "v4"));
      }
  });

  describe.skipIf(!library.available)(`linked as libbpf links${library.reason}`, () => {
    test.each(names.flatMap((name) => (["v1", "v3"] as const).map((cpu) => [name, cpu] as const)))(
      "%s, %s",
      (name, cpu) => {
        const object = compiled(name, cpu);
        const theirs = new Map(
          library.load(object).flatMap((line) => {
            const found = /^program (\S+) .* code=(.*)$/.exec(line);
            return found ? [[found[1]!, found[2]!] as const] : [];
          }),
        );
        const module = moduleOf(object);
        const core = readObject(object).kernelInfo!.programs;
        expect([...theirs.keys()].sort()).toEqual(module.programs.map((program) => program.name).sort());
        module.programs.forEach((program, index) => {
          const relocated = coreSlots(core[index]!.core);
          expect(masked(theirs.get(program.name)!, relocated)).toBe(masked(hex(encodeSlots(program.insns)), relocated));
        });
      },
    );

    test.each(names)("loads again after we wrote it: %s", (name) => {
      // Our writer keeps no CO-RE relocations, so such a program reads other fields, which the kernel does not mind.
      expect(library.load(writeObject(moduleOf(compiled(name)))).length).toBeGreaterThan(0);
    });
  });
});

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");
const coreSlots = (core: Uint8Array): ReadonlySet<number> => {
  const view = new DataView(core.buffer, core.byteOffset, core.byteLength);
  return new Set(Array.from({ length: core.length / 16 }, (_, index) => view.getUint32(index * 16, true) / 8));
};

/** Without what only a load knows: descriptors, offsets into maps that we merge, and what CO-RE changed. */
function masked(code: string, core: ReadonlySet<number>): string {
  const slots = decodeSlots(Buffer.from(code, "hex"));
  return slots
    .map((slot, index) => {
      const address = slot.code === LDDW && (slot.src === PSEUDO.mapFd || slot.src === PSEUDO.mapValue);
      const second = slots[index - 1]?.code === LDDW && slots[index - 1]!.src === PSEUDO.mapValue;
      if (core.has(index)) return { ...slot, imm: 0, off: 0 };
      return address || second ? { ...slot, imm: 0 } : slot;
    })
    .map(({ code: opcode, dst, src, off, imm }) => `${opcode} ${dst} ${src} ${off} ${imm}`)
    .join("\n");
}
