import { afterEach, describe, expect, it } from "vitest";
import { structLayout, type Layout } from "../../compiler/layout.ts";
import type { MapSpec } from "../../compiler/module.ts";
import { RuntimeError } from "../../runtime/api.ts";
import { loadModule } from "../../runtime/kernel/load.ts";
import { missing } from "../../runtime/kernel/probe.ts";
import { chooseBackend } from "../../runtime/mptcp/daemon.ts";
import { nested, nestedValue, nothingHeld } from "./fixtures.ts";
import { be, call, exit, int, mapSpec, moduleOf, movImm, movReg, returnOne, slot, sockOps, wide } from "./hand-made.ts";
import { whyNot } from "./lab.ts";

const skip = whyNot();
const title = (what: string): string => (skip ? `${what} (skipped: ${skip})` : what);

describe.skipIf(skip)(title("loader"), () => {
  const opened: { close(): void }[] = [];
  const keep = <T extends { close(): void }>(one: T): T => {
    opened.push(one);
    return one;
  };
  afterEach(async () => {
    for (const one of opened.splice(0)) one.close();
    await nothingHeld("t_");
  });

  const keyed = ["hash", "lru_hash", "array"] as const;
  it.each(keyed)("reads back from a %s map every field type, as written and in batches", (type) => {
    const object = keep(loadModule(moduleOf({ maps: [mapSpec("t_values", type, int(32), nested, 16)] })));
    const map = object.maps["t_values"]!;
    map.set(3, nestedValue);
    expect(map.get(3)).toEqual(nestedValue);
    expect(map.batch().find(([key]) => key === 3)).toEqual([3, nestedValue]);
    expect([...map].find(([key]) => key === 3)).toEqual([3, nestedValue]);
    if (type !== "array") {
      expect(map.get(4)).toBeUndefined();
      expect(map.delete(3)).toBe(true);
      expect(map.delete(3)).toBe(false);
      expect([...map]).toEqual([]);
    } else expect(() => map.set(16, nestedValue)).toThrow("beyond the last, 15");
  });

  it("reads a thousand entries in batches, and stores them so", () => {
    const object = keep(loadModule(moduleOf({ maps: [mapSpec("t_many", "hash", int(32), int(64), 2000)] })));
    const map = object.maps["t_many"]!;
    map.setAll(Array.from({ length: 1000 }, (_, index) => [index, BigInt(index) ** 3n] as const));
    const all = map.batch().toSorted((a, b) => Number(a[0]) - Number(b[0]));
    expect(all).toEqual(Array.from({ length: 1000 }, (_, index) => [index, BigInt(index) ** 3n]));
    map.clear();
    expect(map.batch()).toEqual([]);
  });

  it("gives per-CPU maps one value per CPU, tries their longest prefix, full maps a clear error", () => {
    const prefix = structLayout(
      "Prefix",
      [
        { name: "length", layout: int(32) },
        { name: "address", layout: be(32) },
      ],
      false,
    );
    const object = keep(
      loadModule(
        moduleOf({
          maps: [
            mapSpec("t_cpu", "percpu_array", int(32), int(64), 2),
            mapSpec("t_trie", "lpm_trie", prefix, int(8), 8),
            mapSpec("t_full", "hash", int(32), int(8), 1),
          ],
        }),
      ),
    );
    const { t_cpu, t_trie, t_full } = object.maps;
    const cpus = (t_cpu!.get(0) as readonly bigint[]).length;
    const each = Array.from({ length: cpus }, (_, cpu) => BigInt(cpu) + 1n);
    t_cpu!.set(1, each);
    expect(t_cpu!.get(1)).toEqual(each);
    t_trie!.set({ length: 8, address: "10.0.0.0" }, 1);
    t_trie!.set({ length: 16, address: "10.1.0.0" }, 2);
    expect(t_trie!.get({ length: 32, address: "10.1.2.3" })).toBe(2);
    expect(t_trie!.get({ length: 32, address: "10.2.2.3" })).toBe(1);
    expect(t_trie!.get({ length: 32, address: "11.2.2.3" })).toBeUndefined();
    t_full!.set(1, 1);
    expect(() => t_full!.set(2, 1)).toThrow("t_full is full: 1 entries");
    expect(() => t_full!.set(1, 1, "insert")).toThrow("there already");
    expect(() => t_full!.set(5, 1, "update")).toThrow("no such key");
  });

  it("sets params before loading, freezes them, and maps mutable globals", () => {
    const variable = (
      name: string,
      section: ".rodata" | ".bss" | ".data",
      offset: number,
      layout: Layout,
      init: number[],
      param = false,
    ) => ({
      name,
      section,
      offset,
      layout,
      init: new Uint8Array(init),
      param,
    });
    const object = keep(
      loadModule(
        moduleOf({
          globals: [
            variable("t_want", ".rodata", 0, int(8), [3], true),
            variable("t_far", ".rodata", 2, int(16), [1, 1], true),
            variable("t_count", ".bss", 8, int(64), [], false),
            variable("t_start", ".data", 0, int(32), [1, 2, 3, 4], false),
          ],
        }),
        { params: { t_want: 9 }, name: "t_" },
      ),
    );
    expect(object.globals["t_want"]!.get()).toBe(9);
    expect(object.globals["t_far"]!.get()).toBe(0x0101);
    expect(object.globals["t_start"]!.get()).toBe(0x04030201);
    object.globals["t_count"]!.set(5n);
    expect(object.globals["t_count"]!.get()).toBe(5n);
    expect(() => object.globals["t_want"]!.set(1)).toThrow("fixed once the object is loaded");
    expect(() => loadModule(moduleOf({}), { params: { nope: 1 } })).toThrow("no param nope");
  });

  it("leads a refusal with the reason and the TypeScript line, keeps the whole log, and leaves nothing behind", () => {
    const bad = sockOps("t_bad", [movReg(0, 3), exit]);
    const module = moduleOf({
      maps: [mapSpec("t_left", "hash", int(32), int(32), 1)],
      programs: [sockOps("t_good", returnOne), bad],
    });
    const error = catchError(() => loadModule(module));
    expect(error.key).toBe("rejected");
    expect(error.message.split("\n")[0]).toBe("the kernel's verifier refuses t_bad: R3 !read_ok");
    expect(error.message).toContain("hand-made.ts:2:1 (instruction 0)");
    expect(error.message).toContain("const here = 2;");
    expect(error.log).toContain("R3 !read_ok");
    expect(error.log).toContain("processed 1 insns");
  });

  it("keeps a log of megabytes whole", () => {
    // 2^14 paths of which the last one is refused: the log is long.
    const steps = Array.from({ length: 14 }, () => [call(7), slot(0x15, 0, 0, 1, 1), slot(0xbf, 0, 0)]).flat();
    const error = catchError(() =>
      loadModule(moduleOf({ programs: [sockOps("t_long", [...steps, movReg(0, 9), exit])] })),
    );
    expect(error.message).toContain("R9 !read_ok");
    expect(error.log!.endsWith("\n")).toBe(true);
  });

  it("says that the patched kernel is needed, before anything is loaded", () => {
    const error = catchError(() => loadModule(moduleOf({ needs: ["sock-ops", "event:mptcp-new-session"] })));
    expect(error.key).toBe("kernel-lacks");
    expect(error.message).toBe("needs the patched kernel: event mptcp-new-session");
    expect(error.help).toContain("netlink");
  });

  it("does not leave a path manager's neighbours out: what netlink cannot run is for the kernel, and its lack is said", () => {
    const scheduler = { ...sockOps("t_get_send", [...returnOne]), type: "struct_ops" as const };
    const needs = ["sock-ops", "event:mptcp-new-session"];
    const alone = moduleOf({ needs });
    const both = moduleOf({ needs, programs: [...alone.programs, scheduler] });
    expect(chooseBackend(alone, "netlink").backend).toBe("netlink");
    expect(chooseBackend(both).backend).toBe("kernel");
    expect(catchError(() => chooseBackend(both, "netlink")).help).toContain("a file of its own");
    if (missing(needs).length > 0) expect(catchError(() => loadModule(both)).help).toContain("in a file of its own");
  });

  it("refuses relocations that lead nowhere", () => {
    const program = sockOps("t_reloc", [...wide(1), ...returnOne], [{ slot: 0, kind: "map", map: "gone" }]);
    expect(() => loadModule(moduleOf({ programs: [program] }))).toThrow(
      "refers to gone, which the object does not have",
    );
  });

  it.each(["queue", "stack", "bloom_filter"] as const)("makes a %s, and gives no handle that asks for keys", (type) => {
    const spec = mapSpec("t_keyless", type, undefined, int(32), 4);
    const object = keep(loadModule(moduleOf({ maps: [spec, mapSpec("t_keyed", "hash", int(32), int(32), 4)] })));
    expect(Object.keys(object.maps)).toEqual(["t_keyed"]);
    expect(object.mapFds.has("t_keyless")).toBe(true);
  });

  it("reads a ring buffer by mapping, in order, with wrap-around and counted drops", async () => {
    // ringbuf_output of 8 bytes from the stack, once per run; the result goes to .bss on failure.
    const ring: MapSpec = mapSpec("t_ring", "ringbuf", undefined, int(64), 4096);
    const insns = [
      ...wide(6), // r6 = &sequence
      slot(0x79, 7, 6, 0),
      slot(0x7b, 10, 7, -8),
      slot(0x07, 7, 0, 0, 1),
      slot(0x7b, 6, 7, 0),
      ...wide(1), // r1 = ring
      movReg(2, 10),
      slot(0x07, 2, 0, 0, -8),
      movImm(3, 8),
      movImm(4, 0),
      call(130),
      slot(0x15, 0, 0, 4, 0),
      ...wide(6), // r6 = &t_ringDropped
      slot(0x79, 7, 6, 0),
      slot(0x07, 7, 0, 0, 1),
      ...[slot(0x7b, 6, 7, 0)],
      ...returnOne,
    ];
    // The jump above passes lddw (two slots) and three more.
    const jump = insns.findIndex((one) => one.code === 0x15);
    insns[jump] = { ...insns[jump]!, off: 5 };
    const dropped = insns.findIndex((one, index) => one.code === 0x18 && index > jump);
    const program = {
      ...sockOps("t_ringer", insns, [
        { slot: 0, kind: "global", section: ".bss", offset: 0 },
        { slot: 6, kind: "map", map: "t_ring" },
        { slot: dropped, kind: "global", section: ".bss", offset: 8 },
      ]),
      type: "socket_filter",
      attachType: 0,
    };
    const variable = (name: string, offset: number) => ({
      name,
      section: ".bss" as const,
      offset,
      layout: int(64),
      init: new Uint8Array(8),
      param: false,
    });
    const object = keep(
      loadModule(
        moduleOf({
          maps: [ring],
          programs: [program],
          globals: [variable("sequence", 0), variable("t_ringDropped", 8)],
        }),
        { name: "t_" },
      ),
    );
    const { testRun } = await import("./test-run.ts");
    const fd = object.programs["t_ringer"]!.fd;
    const stream = object.rings["t_ring"]!.stream();
    const seen: bigint[] = [];
    const reading = (async () => {
      for await (const record of stream) {
        seen.push(record as bigint);
        if (seen.length === 5000) stream.close();
      }
    })();
    // 5,000 records of 16 bytes wrap the 4,096-byte ring many times; batches are small enough not to fill it.
    for (let batch = 0; batch < 50; batch++) {
      testRun(fd, 100);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await reading;
    expect(seen).toEqual(Array.from({ length: 5000 }, (_, index) => BigInt(index)));
    expect(object.rings["t_ring"]!.dropped()).toBe(0n);

    // By the batch, with a queue that holds fewer than there are: nothing is lost or comes twice.
    const batched = object.rings["t_ring"]!.stream(16);
    const sizes: number[] = [];
    testRun(fd, 100);
    for await (const records of batched.batches()) {
      seen.push(...(records as bigint[]));
      sizes.push(records.length);
      if (seen.length === 5100) break;
    }
    expect(seen).toEqual(Array.from({ length: 5100 }, (_, index) => BigInt(index)));
    expect(Math.max(...sizes)).toBe(16);
    expect(object.rings["t_ring"]!.dropped()).toBe(0n);

    // Nobody reads now: 255 records of 16 bytes fit (a byte of the ring stays free), the rest is counted.
    testRun(fd, 1000);
    const reader = object.rings["t_ring"]!.reader();
    const rest: bigint[] = [];
    reader.drain((view, offset, length) => {
      expect(length).toBe(8);
      rest.push(view.getBigUint64(offset, true));
    });
    expect(BigInt(rest.length) + object.rings["t_ring"]!.dropped()!).toBe(1000n);
    expect(rest.length).toBeGreaterThanOrEqual(255);
    expect(rest[0]).toBe(5100n);
    expect(reader.drain(() => undefined)).toBe(0);

    // A callback that stops is taken at its word, and one that closes the ring ends the reading.
    testRun(fd, 10);
    let taken = 0;
    expect(reader.drain(() => ++taken < 3)).toBe(3);
    expect(reader.pending()).toBe(7 * 16);
    expect(reader.drain(() => reader.close())).toBe(1);
    expect(reader.drain(() => undefined)).toBe(0);
    const again = object.rings["t_ring"]!.reader();
    expect(again.drain(() => undefined)).toBe(7);
  });
});

function catchError(run: () => unknown): RuntimeError {
  try {
    run();
  } catch (error) {
    if (error instanceof RuntimeError) return error;
    throw error;
  }
  throw new Error("nothing was thrown");
}
