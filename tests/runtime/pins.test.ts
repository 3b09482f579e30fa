import { execFileSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { MapSpec } from "../../compiler/module.ts";
import { load, openObject, pinnedObjects, pinObject, removeObject, replaceObject } from "../../runtime/api.ts";
import { loadModule } from "../../runtime/kernel/load.ts";
import { nested, nestedValue, nothingHeld } from "./fixtures.ts";
import { exit, int, mapSpec, moduleOf, movImm, returnOne, sockOps } from "./hand-made.ts";
import { openLab, sh, whyNot } from "./lab.ts";

const skip = whyNot();
const title = (what: string): string => (skip ? `${what} (skipped: ${skip})` : what);

describe.skipIf(skip)(title("links and pins"), () => {
  const lab = skip ? undefined : openLab();
  let root = "";
  beforeAll(() => {
    root = mkdtempSync(join(tmpdir(), "tsbpf-bpffs-"));
    sh("mount", "-t", "bpf", "bpf", root);
    lab!.defer(() => {
      sh("umount", root);
      rmSync(root, { recursive: true });
    });
  });
  afterAll(() => {
    lab?.close();
    return nothingHeld("p_");
  });
  const attached = (cgroup: string): string[] =>
    execFileSync("bpftool", ["-j", "cgroup", "show", cgroup], { encoding: "utf8" })
      .match(/"name":"([^"]*)"/g)
      ?.map((match) => match.slice(8, -1)) ?? [];

  it("attaches to a cgroup by link and detaches on close", () => {
    const cgroup = lab!.cgroup("attach");
    const object = loadModule(moduleOf({ programs: [sockOps("p_attach", returnOne)] }));
    const [link] = object.attach(cgroup);
    expect(link!.cgroup()).toBe(cgroup);
    expect(link!.info().programId).toBe(object.programs["p_attach"]!.info().id);
    expect(attached(cgroup)).toEqual(["p_attach"]);
    object.close();
    expect(attached(cgroup)).toEqual([]);
  });

  it("attaches all programs or none", () => {
    const cgroup = lab!.cgroup("none");
    const filter = { ...sockOps("p_filter", [movImm(0, 1), exit]), type: "socket_filter", attachType: 0 };
    const object = loadModule(moduleOf({ programs: [sockOps("p_first", returnOne), filter] }));
    expect(() => object.attach(cgroup)).toThrow("does not attach to a cgroup");
    expect(attached(cgroup)).toEqual([]);
    object.close();
  });

  it("says what is wrong with a directory", () => {
    const object = loadModule(moduleOf({ programs: [sockOps("p_dir", returnOne)] }));
    expect(() => object.attach("/tmp")).toThrow("/tmp is not a cgroup-v2 directory");
    expect(() => object.attach("/sys/fs/cgroup/unified/tsbpf-absent")).toThrow("no such cgroup");
    object.close();
  });

  it("pins an object, opens it in another handle, replaces its program atomically, removes it", () => {
    const cgroup = lab!.cgroup("pins");
    const maps = [mapSpec("p_kept", "hash", int(32), nested, 4)];
    const globals = [
      { name: "p_seen", section: ".bss" as const, offset: 0, layout: int(64), init: new Uint8Array(8), param: false },
    ];
    const first = loadModule(moduleOf({ maps, globals, programs: [sockOps("p_pinned", returnOne)] }), {
      name: "p_object",
    });
    const [link] = first.attach(cgroup);
    pinObject(first, [["p_pinned", link!]], root);
    expect(() => pinObject(first, [], root)).toThrow("pinned already");
    first.maps["p_kept"]!.set(1, nestedValue);
    first.globals["p_seen"]!.set(77n);
    first.close();

    expect(attached(cgroup)).toEqual(["p_pinned"]);
    expect(pinnedObjects(root)).toEqual(["p_object"]);
    const again = openObject("p_object", root);
    expect(again.object.maps["p_kept"]!.get(1)).toEqual(nestedValue);
    expect(again.object.globals["p_seen"]!.get()).toBe(77n);
    const old = again.links.get("p_pinned")!.info();

    const second = loadModule(
      moduleOf({ maps, globals, programs: [sockOps("p_pinned", [movImm(3, 5), ...returnOne])] }),
      {
        name: "p_object",
        reuse: again.object,
      },
    );
    replaceObject(again, second, root);
    expect(again.links.get("p_pinned")!.info()).toMatchObject({
      id: old.id,
      programId: second.programs["p_pinned"]!.info().id,
    });
    expect(second.maps["p_kept"]!.get(1)).toEqual(nestedValue);
    second.close();
    again.close();
    expect(attached(cgroup)).toEqual(["p_pinned"]);

    expect(removeObject("p_object", root)).toEqual([cgroup]);
    expect(attached(cgroup)).toEqual([]);
    expect(readdirSync(root).filter((name) => !name.endsWith(".debug"))).toEqual([]);
    expect(() => openObject("p_object", root)).toThrow("no object named p_object");
  });

  it("shares maps that are declared pinned, and refuses others of that name", () => {
    const shared: MapSpec = { ...mapSpec("p_shared", "hash", int(32), int(64), 4), pinned: true };
    const one = loadModule(moduleOf({ maps: [shared] }), { pinRoot: root });
    one.maps["p_shared"]!.set(1, 42n);
    const two = loadModule(moduleOf({ maps: [shared] }), { pinRoot: root });
    expect(two.maps["p_shared"]!.get(1)).toBe(42n);
    const other: MapSpec = { ...shared, maxEntries: 8 };
    expect(() => loadModule(moduleOf({ maps: [other] }), { pinRoot: root })).toThrow("4 instead of 8 entries");
    one.close();
    two.close();
    rmSync(join(root, "maps", "p_shared"));
    const bad = sockOps("p_bad", [exit]);
    expect(() => loadModule(moduleOf({ maps: [shared], programs: [bad] }), { pinRoot: root })).toThrow("refuses p_bad");
    expect(existsSync(join(root, "maps", "p_shared"))).toBe(false);
    expect(() => loadModule(moduleOf({ maps: [shared] }), { pinRoot: "/tmp/tsbpf-no-bpffs" })).toThrow(
      "not on a bpf file system",
    );
  });
});

const clang = ["clang-19", "clang-16", "clang"].find((name) => {
  try {
    sh(name, "--version");
    return true;
  } catch {
    return false;
  }
});
const noClang = skip ?? (clang ? undefined : "no clang");
describe.skipIf(noClang)(noClang ? `clang's objects (skipped: ${noClang})` : "clang's objects", () => {
  it("load with maps, globals, subprograms and CO-RE relocations", () => {
    const dir = mkdtempSync(join(tmpdir(), "tsbpf-clang-"));
    try {
      writeFileSync(join(dir, "t.c"), CLANG_SOURCE);
      sh(clang!, "-O2", "-g", "-target", "bpf", "-c", join(dir, "t.c"), "-o", join(dir, "t.o"));
      const object = load(join(dir, "t.o"));
      expect(object.programs["p_clang"]!.info().name).toBe("p_clang");
      expect(object.globals["p_limit"]!.get()).toBe(7);
      expect(object.globals["p_hits"]!.get()).toBe(0n);
      object.maps["p_table"]!.set(4, { a: 1, b: 2n });
      expect(object.maps["p_table"]!.get(4)).toEqual({ a: 1, b: 2n });
      object.close();
    } finally {
      rmSync(dir, { recursive: true });
    }
    return nothingHeld("p_");
  });
});

const CLANG_SOURCE = `
typedef unsigned int u32; typedef unsigned long long u64; typedef unsigned char u8;
#define SEC(name) __attribute__((section(name), used))
#define __uint(name, val) int (*name)[val]
#define __type(name, val) typeof(val) *name
static void *(*bpf_map_lookup_elem)(void *map, const void *key) = (void *)1;
static u64 (*bpf_gep_currenp_task)(void) = (void *)35;
static long (*bpf_probe_read_kernel)(void *dst, u32 size, const void *from) = (void *)113;
struct value { u32 a; u64 b; };
struct { __uint(type, 1); __uint(max_entries, 16); __type(key, u32); __type(value, struct value); } p_table SEC(".maps");
const volatile u32 p_limit = 7;
u64 p_hits = 0;
struct task_struct { int pid; int tgid; } __attribute__((preserve_access_index));
static __attribute__((noinline)) int p_sub(u32 x) { return x > p_limit ? 2 : 1; }
SEC("tp/sched/sched_switch") int p_clang(void *ctx) {
  u32 key = 4, pid = 0;
  struct task_struct *task = (void *)bpf_gep_currenp_task();
  bpf_probe_read_kernel(&pid, sizeof(pid), &task->tgid);
  struct value *v = bpf_map_lookup_elem(&p_table, &key);
  if (v) v->b += pid;
  p_hits++;
  return p_sub(pid);
}
char _license[] SEC("license") = "GPL";
`;
