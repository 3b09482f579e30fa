/** Map operations and ring-buffer events per second: our handles beside a C program with libbpf on the same maps. */
import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmdirSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { BpfModule } from "../../../compiler/module.ts";
import { structLayout } from "../../../compiler/layout.ts";
import { load, type LoadedObject, type RingHandle } from "../../../runtime/api.ts";
import { decoderFor } from "../../../runtime/kernel/decoder.ts";
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
import { median, spread } from "./statistics.ts";

const ENTRIES = 100_000;
const RING_BYTES = 16 * 1024 * 1024;
const RECORDS = 1_000_000;
/** The 8 bytes of a record, taken for a struct. */
const RECORD = structLayout(
  "Record",
  [
    { name: "low", layout: int(32) },
    { name: "middle", layout: int(16) },
    { name: "high", layout: int(16) },
  ],
  false,
);
/** Medians per second, the median of ours over libbpf's round by round, and half the distance of its quartiles. */
export interface Rates {
  readonly ours: number;
  readonly libbpf: number;
  readonly ratio: number;
  readonly spreadPercent: number;
}
interface Pins {
  readonly pin: (object: LoadedObject, links: readonly (readonly [string, LinkHandle])[], root: string) => string;
  readonly remove: (name: string, root: string) => unknown;
}

/** A socket filter that writes its run number to the ring. */
function producer(): BpfModule {
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

/** Rates per second, round by round: what else the machine does weighs on neighbours alike. */
function interleaved(rounds: number, ours: () => number, libbpf: () => number): Rates {
  const pairs = Array.from({ length: rounds }, (_, round): readonly [number, number] => {
    if (round % 2 === 0) {
      const mine = ours();
      return [mine, libbpf()];
    }
    const theirs = libbpf();
    return [ours(), theirs];
  });
  return {
    ours: median(pairs.map(([mine]) => mine)),
    libbpf: median(pairs.map(([, theirs]) => theirs)),
    ratio: median(pairs.map(([mine, theirs]) => mine / theirs)),
    spreadPercent: spread(pairs.map(([mine, theirs]) => mine / theirs)),
  };
}

/** What is compared, in turns: ours, and the column of `peer map`, or its ring. */
export async function mapAndRing(
  folder: string,
  here: string,
  lab: Lab,
  pins: Pins,
  rounds: number,
): Promise<Readonly<Record<string, Rates>>> {
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
    const content = Array.from({ length: ENTRIES }, (_, index) => [index, BigInt(index)] as const);
    table.setAll(content);
    const numbers = (...args: string[]): number[] =>
      execFileSync(peer, args, { encoding: "utf8" }).trim().split(" ").map(Number);
    const column = (index: number) => (): number =>
      numbers("map", join(directory, "maps/table"), String(ENTRIES))[index]!;
    const rate = (run: () => void): number => ENTRIES / seconds(run);

    const fd = object.programs["bench_ring"]!.fd;
    const fill = (): void => void testRun(fd, RECORDS);
    const ring = object.rings["events"]!;
    const reader = ring.reader();
    const libbpfRing = (): number => {
      fill();
      return numbers("ring", join(directory, "maps/events"))[1]!;
    };
    const drained = (each: (view: DataView, offset: number) => void) => (): number => {
      fill();
      let count = 0;
      const took = seconds(() => (count = reader.drain(each)));
      if (count !== RECORDS) throw new Error(`${count} of ${RECORDS} records were read`);
      return count / took;
    };
    // A sum of doubles in a variable would allocate one per record.
    const sum = { low: 0, wide: 0n };
    const decode = decoderFor(RECORD);
    const last: { value: unknown } = { value: undefined };
    const rings: Record<string, Rates> = {
      "ring events, 32 bits read in place": interleaved(
        rounds,
        drained((view, offset) => void (sum.low = (sum.low + view.getUint32(offset, true)) | 0)),
        libbpfRing,
      ),
      "ring events, 64 bits read (bigint)": interleaved(
        rounds,
        drained((view, offset) => void (sum.wide = view.getBigUint64(offset, true))),
        libbpfRing,
      ),
      "ring events, struct of 3 decoded": interleaved(
        rounds,
        drained((view, offset) => void (last.value = decode(view, offset))),
        libbpfRing,
      ),
    };
    reader.close();
    // Asynchronous readers cannot take turns inside one call: their rounds are collected first.
    for (const [name, read] of Object.entries({
      "ring events, for await batches": batches,
      "ring events, for await": singles,
    })) {
      const mine: number[] = [];
      for (let round = 0; round < rounds; round++) mine.push(await read(ring, fill));
      let next = 0;
      rings[name] = interleaved(rounds, () => mine[next++]!, libbpfRing);
    }
    return {
      "map lookups": interleaved(rounds, () => rate(() => content.forEach(([key]) => void table.get(key))), column(0)),
      "map updates": interleaved(
        rounds,
        () => rate(() => content.forEach(([key, value]) => table.set(key, value))),
        column(1),
      ),
      "map entries read in batches": interleaved(rounds, () => rate(() => table.batch()), column(2)),
      "map entries, a loop over all": interleaved(
        rounds,
        () =>
          rate(() => {
            for (const [key] of table) last.value = key;
          }),
        column(2),
      ),
      "map entries stored in batches": interleaved(rounds, () => rate(() => table.setAll(content)), column(3)),
      ...rings,
    };
  } finally {
    pins.remove("bench", join(root, "bench"));
    object.close();
  }
}

async function batches(ring: RingHandle, fill: () => void): Promise<number> {
  const stream = ring.stream();
  fill();
  const begin = process.hrtime.bigint();
  let count = 0;
  for await (const records of stream.batches()) {
    count += records.length;
    if (count === RECORDS) break;
  }
  return RECORDS / (Number(process.hrtime.bigint() - begin) / 1e9);
}

async function singles(ring: RingHandle, fill: () => void): Promise<number> {
  const stream = ring.stream();
  fill();
  const begin = process.hrtime.bigint();
  let count = 0;
  for await (const record of stream) if (record !== undefined && ++count === RECORDS) break;
  return RECORDS / (Number(process.hrtime.bigint() - begin) / 1e9);
}
