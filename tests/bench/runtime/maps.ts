/** Map operations and ring-buffer events per second: our handles beside a C program with libbpf on the same maps. */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { BpfModule } from "../../../compiler/module.ts";
import { load, type LoadedObject } from "../../../runtime/api.ts";
import type { LinkHandle } from "../../../runtime/kernel/links.ts";
import {
  call,
  int,
  mapSpec,
  moduleOf,
  movImm,
  movReg,
  returnOne,
  slot,
  sockOps,
  wide,
} from "../../runtime/hand-made.ts";
import type { Lab } from "../../runtime/lab.ts";
import { testRun } from "../../runtime/test-run.ts";

const ENTRIES = 100_000;
const RING_BYTES = 16 * 1024 * 1024;
export interface Rates {
  readonly ours: number;
  readonly libbpf: number;
}
interface Pins {
  readonly pin: (object: LoadedObject, links: readonly (readonly [string, LinkHandle])[], root: string) => string;
  readonly remove: (name: string, root: string) => unknown;
}

/** A socket filter that writes its run number to the ring. */
export function producer(): BpfModule {
  const insns = [
    ...wide(6),
    slot(0x79, 7, 6, 0),
    slot(0x7b, 10, 7, -8),
    slot(0x07, 7, 0, 0, 1),
    slot(0x7b, 6, 7, 0),
    ...wide(1),
    movReg(2, 10),
    slot(0x07, 2, 0, 0, -8),
    movImm(3, 8),
    movImm(4, 0),
    call(130),
    ...returnOne,
  ];
  const program = {
    ...sockOps("bench_ring", insns, [
      { slot: 0, kind: "global" as const, section: ".bss" as const, offset: 0 },
      { slot: 6, kind: "map" as const, map: "events" },
    ]),
    type: "socket_filter",
    attachType: 0,
  };
  return moduleOf({
    programs: [program],
    maps: [
      mapSpec("events", "ringbuf", undefined, int(64), RING_BYTES),
      mapSpec("table", "hash", int(32), int(64), ENTRIES),
    ],
    globals: [{ name: "sequence", section: ".bss", offset: 0, layout: int(64), init: new Uint8Array(8), param: false }],
  });
}

const seconds = (run: () => void): number => {
  const begin = process.hrtime.bigint();
  run();
  return Number(process.hrtime.bigint() - begin) / 1e9;
};
const best = (turns: number, measure: () => number): number => Math.max(...Array.from({ length: turns }, measure));

export function mapAndRing(folder: string, here: string, lab: Lab, pins: Pins): Readonly<Record<string, Rates>> {
  const peer = join(folder, "peer");
  execFileSync("cc", ["-O2", "-o", peer, join(here, "peer.c"), "-lbpf"]);
  const root = mkdtempSync(join(tmpdir(), "tsbpf-bpffs-"));
  execFileSync("mount", ["-t", "bpf", "bpf", root]);
  lab.defer(() => {
    execFileSync("umount", [root]);
    rmdirSync(root);
  });
  mkdirSync(join(root, "bench"));
  const object = load(producer(), { name: "bench" });
  try {
    const directory = pins.pin(object, [], join(root, "bench"));
    const table = object.maps["table"]!;
    table.setAll(Array.from({ length: ENTRIES }, (_, index) => [index, BigInt(index)] as const));

    const c = (): number[] =>
      execFileSync(peer, ["map", join(directory, "maps/table"), String(ENTRIES)], { encoding: "utf8" })
        .trim()
        .split(" ")
        .map(Number);
    const [libbpfGet = 0, libbpfSet = 0, libbpfBatch = 0] = [0, 1, 2].map((column) => best(3, () => c()[column]!));
    const get = best(
      3,
      () =>
        ENTRIES /
        seconds(() => {
          for (let key = 0; key < ENTRIES; key++) table.get(key);
        }),
    );
    const set = best(
      3,
      () =>
        ENTRIES /
        seconds(() => {
          for (let key = 0; key < ENTRIES; key++) table.set(key, 1n);
        }),
    );
    const batch = best(3, () => {
      let count = 0;
      const took = seconds(() => {
        count = table.batch().length;
      });
      return count / took;
    });

    const fd = object.programs["bench_ring"]!.fd;
    const fill = (): void => void testRun(fd, 1_000_000);
    const reader = object.rings["events"]!.reader();
    let sum = 0n;
    let total = 0;
    const raw = best(3, () => {
      fill();
      let count = 0;
      const took = seconds(() => {
        count = reader.drain((view, offset) => {
          total += view.getUint32(offset, true);
        });
      });
      return count / took;
    });
    const libbpfRing = best(3, () => {
      fill();
      return Number(
        execFileSync(peer, ["ring", join(directory, "maps/events")], { encoding: "utf8" })
          .trim()
          .split(" ")[1],
      );
    });
    const decoded = best(3, () => {
      fill();
      let count = 0;
      const took = seconds(() => {
        count = reader.drain((view, offset) => {
          sum += view.getBigUint64(offset, true);
        });
      });
      return count / took;
    });
    if (sum < 0n || total < 0) throw new Error("records were not read");
    return {
      "map lookups": { ours: get, libbpf: libbpfGet },
      "map updates": { ours: set, libbpf: libbpfSet },
      "map entries read in batches": { ours: batch, libbpf: libbpfBatch },
      "ring events, 32 bits read in place": { ours: raw, libbpf: libbpfRing },
      "ring events, 64 bits read (bigint)": { ours: decoded, libbpf: libbpfRing },
    };
  } finally {
    pins.remove("bench", join(root, "bench"));
    object.close();
  }
}
