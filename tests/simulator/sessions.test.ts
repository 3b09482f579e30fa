/** MPTCP sessions in the simulator: what each scheduler does over two paths, and what becomes of the bytes. */
import { expect, test } from "vitest";
import { simulateSessions, type MapUnderTest, type SchedulerUnderTest, type SessionSimulationRun } from "tsbpf/testing";
import { load } from "../../runtime/testing/load.ts";
import { createReassembly } from "../../runtime/testing/simulator/sessions/reassembly.ts";
import { createDice } from "../../runtime/testing/dice.ts";
import { sources } from "./fixture.ts";

const source = sources();
type Options = Parameters<typeof simulateSessions>[0];
type Path = Options["paths"][number];
const program = (name: string): Promise<Record<string, unknown>> =>
  load(new URL(`../../programs/${name}.ts`, import.meta.url));
const bundled = async (name: string, constant = name): Promise<SchedulerUnderTest> =>
  (await program(name))[constant] as SchedulerUnderTest;

const FAST: Path = { rate: "16mbit", delay: "10ms", queue: 50 };
const SLOW: Path = { rate: "4mbit", delay: "10ms", queue: 50 };
const TWO: readonly Path[] = [FAST, FAST];
const MEGABYTES = 1e6;
/** The path is dead from then on. */
const dies = (path: Path, at: number): Path => ({ ...path, pass: ({ seconds }) => seconds < at });

const run = (
  session: Options["sessions"][number],
  paths: readonly Path[] = TWO,
  options: Partial<Options> = {},
): SessionSimulationRun => simulateSessions({ duration: "20s", paths, sessions: [session], ...options });
const only = ({ sessions }: SessionSimulationRun) => sessions[0]!;
/** Bytes of data that left on each subflow. */
const sent = (of: SessionSimulationRun): number[] => only(of).subflows.map((one) => one.sent.at(-1)!);
/** The part of the subflows' bytes that the first one has. */
const firstShare = (of: SessionSimulationRun): number => {
  const [first = 0, second = 0] = sent(of);
  return first / (first + second);
};

test("the first subflow takes all, and the stream arrives once and in order", async () => {
  const done = run({ scheduler: await bundled("first"), bytes: 4 * MEGABYTES });
  expect(sent(done)[1]).toBe(0);
  expect(only(done)).toMatchObject({ name: "ts_first", duplicates: 0, copied: 0, reinjected: 0 });
  expect(only(done).delivered.at(-1)).toBe(4 * MEGABYTES);
  // 16 Mbit/s, of which 1428 bytes in 1500 are data.
  expect(only(done).finished).toBeGreaterThan(4 / 2 / (1428 / 1500));
  expect(only(done).finished).toBeLessThan(2.6);
  expect(only(done).calls).toMatchObject({ init: 0, release: 0, getRetrans: 0 });
  expect(only(done).subflows[0]!.delivered.at(-1)).toBe(4 * MEGABYTES);
});

test("round-robin takes turns: both links carry the same, and together twice as much", async () => {
  const done = run({ scheduler: await bundled("round-robin", "roundRobin"), bytes: 8 * MEGABYTES });
  expect(firstShare(done)).toBeGreaterThan(0.45);
  expect(firstShare(done)).toBeLessThan(0.55);
  expect(only(done)).toMatchObject({ duplicates: 0, copied: 0 });
  expect(only(done).finished).toBeLessThan(3);
});

/** Little by little, so that no send buffer is full. */
const littleByLittle = (each: number, count: number) =>
  Array.from({ length: count }, (_, at) => ({ at: `${200 + at * 50}ms` as const, bytes: each }));

test("redundant: every byte on each subflow, and the peer has it twice", async () => {
  const all = 40 * 20_000;
  const done = run({ scheduler: await bundled("redundant"), writes: littleByLittle(20_000, 40) });
  expect(sent(done)).toEqual([all, all]);
  expect(only(done)).toMatchObject({ copied: all, duplicates: all, reinjected: 0 });
  expect(only(done).delivered.at(-1)).toBe(all);
});

test("redundant: one whose send buffer is full is left out of a copy", async () => {
  const done = run({ scheduler: await bundled("redundant"), bytes: 2 * MEGABYTES });
  const { copied } = only(done);
  expect(copied / (2 * MEGABYTES)).toBeLessThan(0.5);
  const arrived = only(done).subflows.reduce((sum, { delivered }) => sum + delivered.at(-1)!, 0);
  expect(arrived).toBe(2 * MEGABYTES + copied);
});

test("redundant data does not wait for what one path loses", async () => {
  const scheduler = await bundled("redundant");
  const writes = Array.from({ length: 100 }, (_, at) => ({ at: `${at * 50}ms` as const, bytes: 500 }));
  /** How long the stream stood still at most, in samples of 1 ms. */
  const longest = (paths: readonly Path[]): number => {
    const { delivered } = only(run({ scheduler, writes }, paths, { every: "1ms", duration: "6s" }));
    let [most, since] = [0, 0];
    for (let at = 200; at < 4900; at++) {
      since = delivered[at] === delivered[at - 1] ? since + 1 : 0;
      most = Math.max(most, since);
    }
    return most;
  };
  const bad: Path = { ...FAST, loss: 0.1 };
  expect(longest([bad])).toBeGreaterThan(75);
  expect(longest([bad, { ...FAST, delay: "12ms" }])).toBeLessThan(60);
});

test("a backup carries nothing until the only other one is given up, and everything from then on", async () => {
  const scheduler = await bundled("backup");
  const subflows = [{ path: 0 }, { path: 1, backup: true }] as const;
  const calm = run({ scheduler, subflows, bytes: 4 * MEGABYTES });
  expect(sent(calm)[1]).toBe(0);
  expect(only(calm).finished).toBeDefined();
  const done = run({ scheduler, subflows, bytes: 8 * MEGABYTES }, [dies(FAST, 2), FAST], { duration: "60s" });
  const [first] = only(done).subflows;
  expect(done.during("0s", "2s").sessions[0]!.subflows[1]!.sent.at(-1)).toBe(0);
  expect(first!.delivered.at(-1)).toBeLessThan(4 * MEGABYTES);
  expect(only(done).delivered.at(-1)).toBe(8 * MEGABYTES);
  expect(only(done).reinjected).toBeGreaterThan(0);
  expect(only(done).calls.getSend).toBeGreaterThan(0);
  expect(only(done).finished).toBeGreaterThan(4);
});

test("burst goes where a byte waits least: four times as much over a path four times as fast", async () => {
  const scheduler = await bundled("burst");
  const done = run({ scheduler, bytes: 10 * MEGABYTES }, [FAST, SLOW]);
  expect(firstShare(done)).toBeGreaterThan(0.7);
  expect(firstShare(done)).toBeLessThan(0.9);
  // Alone the faster one needs 5.3 s.
  expect(only(done).finished).toBeLessThan(4.9);
  const other = run({ scheduler, bytes: 10 * MEGABYTES }, [SLOW, FAST]);
  expect(firstShare(other)).toBeLessThan(0.3);
});

test("round-robin is held up by the slower path, burst is not", async () => {
  const finished = async (name: string, constant: string): Promise<number> =>
    only(run({ scheduler: await bundled(name, constant), bytes: 6 * MEGABYTES }, [FAST, SLOW])).finished!;
  const [turns, burst] = [await finished("round-robin", "roundRobin"), await finished("burst", "burst")];
  expect(burst).toBeLessThan(turns);
});

test("where a path dies, what was under way there is sent on the other", async () => {
  for (const [name, constant] of [
    ["round-robin", "roundRobin"],
    ["redundant", "redundant"],
    ["burst", "burst"],
    ["first", "first"],
    ["weighted", "weighted"],
  ] as const) {
    const done = run({ scheduler: await bundled(name, constant), bytes: 6 * MEGABYTES }, [dies(FAST, 1), FAST], {
      duration: "60s",
    });
    expect(only(done).delivered.at(-1), name).toBe(6 * MEGABYTES);
    expect(only(done).finished, name).toBeLessThan(60);
    expect(only(done).subflows[0]!.delivered.at(-1), name).toBeLessThan(2.5 * MEGABYTES);
    if (name !== "redundant") expect(only(done).reinjected, name).toBeGreaterThan(0);
  }
});

test("weights are shares of the bytes, by the path's number", async () => {
  const found = await program("weighted");
  const weights = found["weights"] as MapUnderTest<number, number>;
  weights.set(0, 1);
  weights.set(1, 3);
  const done = run({ scheduler: found["weighted"] as SchedulerUnderTest, writes: littleByLittle(60_000, 80) });
  expect(firstShare(done)).toBeGreaterThan(0.22);
  expect(firstShare(done)).toBeLessThan(0.28);
});

test("what is given on an acknowledgement is sent before TCP widens its buffer: a slow link gets no more than it can carry in time", async () => {
  const done = run(
    {
      scheduler: await bundled("weighted"),
      writes: [
        { at: "0s", bytes: 1000 },
        { at: "1s", bytes: 2 * MEGABYTES },
      ],
    },
    ["8mbit", "2mbit"].map((rate) => ({ rate, delay: "10ms", queue: 1000 }) as Path),
  );
  // Four fifths; TCP that looks first widens the slower link's buffer for as much as the faster one carries.
  expect(firstShare(done)).toBeGreaterThan(0.76);
  expect(only(done).finished).toBeLessThan(3.1);
});

test("one that chooses nothing, or only what cannot send, stops nobody else", async () => {
  const text = (body: string): string => `
import { license } from "tsbpf";
import { scheduler } from "tsbpf/mptcp";
license("GPL");
export const mine = scheduler({ getSend(session) { ${body} } });`;
  const nobody = await load(source(text("return session.token === 0;")), { target: "patched" });
  const careless = await load(
    source(text("for (const one of session.subflows(8)) one.schedule(); session.sndBurst = -1; return true;")),
    { target: "patched" },
  );
  const scheduler = await bundled("first");
  const done = simulateSessions({
    duration: "20s",
    paths: [dies(FAST, 1), FAST],
    sessions: [
      { scheduler: nobody["mine"] as SchedulerUnderTest, bytes: MEGABYTES },
      { scheduler: careless["mine"] as SchedulerUnderTest, bytes: 3 * MEGABYTES },
      { scheduler, subflows: [{ path: 1 }], bytes: MEGABYTES },
    ],
  });
  const [first, second, third] = done.sessions;
  expect(first!.delivered.at(-1)).toBe(0);
  expect(first!.calls.getSend).toBeLessThan(100);
  expect([second!.delivered.at(-1), third!.delivered.at(-1)]).toEqual([3 * MEGABYTES, MEGABYTES]);
});

test("the same options give the same run; storages begin anew with each session", async () => {
  const scheduler = await bundled("round-robin", "roundRobin");
  const once = (): SessionSimulationRun => run({ scheduler, bytes: MEGABYTES }, [{ ...FAST, loss: 0.02 }, SLOW]);
  const [first, second] = [once(), once()];
  expect(second.sessions[0]!.delivered).toEqual(first.sessions[0]!.delivered);
  expect(sent(second)).toEqual(sent(first));
  expect(only(second).calls).toEqual(only(first).calls);
});

test("sessions share paths, and what each of them sees is its own", async () => {
  const scheduler = await bundled("burst");
  const done = simulateSessions({
    duration: "10s",
    paths: TWO,
    sessions: [{ scheduler }, { scheduler }, { scheduler, start: "20s" }],
  });
  const [first, second, third] = done.sessions;
  expect(first!.goodput / second!.goodput).toBeGreaterThan(0.7);
  expect(first!.goodput / second!.goodput).toBeLessThan(1.4);
  expect(third!.delivered.at(-1)).toBe(0);
  for (const { utilization } of done.during("2s").paths) expect(utilization).toBeGreaterThan(0.95);
});

const TOLD = `
import { ArrayMap, license, SkStorage, struct, u32, u64 } from "tsbpf";
import { scheduler } from "tsbpf/mptcp";
license("GPL");
class Kept extends struct({ calls: u64 }) {}
const kept = new SkStorage({ value: Kept });
export const told = new ArrayMap({ value: u64, maxEntries: 16 });
export const mine = scheduler({
  name: "ts_mine",
  init(session) {
    told.set(0, told.get(0) + 1n);
    let count: u32 = 0;
    for (const subflow of session.subflows(8)) if (subflow.isActive()) count += 1;
    told.set(1, u64(count));
  },
  getSend(session) {
    const own = kept.getOrCreate(session);
    if (own) { own.calls += 1n; told.set(2, own.calls); }
    told.set(3, session.windowEnd() - session.sndUna);
    told.set(4, u64(session.tos));
    told.set(5, session.writeSeq - session.sndNxt);
    let any = false;
    for (const subflow of session.subflows(8)) {
      if (!subflow.isActive()) continue;
      if (subflow.tcp && subflow.tcp.srttUs > 0) told.set(6, u64(subflow.tcp.srttUs));
      subflow.schedule();
      any = true;
      break;
    }
    return any;
  },
  release(session) {
    told.set(7, told.get(7) + 1n);
    told.set(8, session.bytesAcked);
  },
});
`;

test("a scheduler sees its session as it is: window, what waits, round trips, its own storage", async () => {
  const found = await load(source(TOLD), { target: "patched" });
  const told = found["told"] as MapUnderTest<number, bigint>;
  const done = run({ scheduler: found["mine"] as SchedulerUnderTest, bytes: 100_000, tos: 184, window: 50_000 });
  expect(only(done).calls).toMatchObject({ init: 1, release: 1 });
  expect(only(done).finished).toBeDefined();
  const at = (index: number): number => Number(told.get(index));
  expect([at(0), at(1), at(4), at(7), at(8)]).toEqual([1, 0, 184, 1, 100_000]);
  expect(at(2)).toBe(only(done).calls.getSend);
  // Never more than the peer takes is under way. The kernel moves the window before it moves what is acknowledged.
  expect(at(3)).toBeLessThanOrEqual(50_000 + 2 * 1428);
  expect(at(6)).toBeGreaterThan(20_000);
  expect(Math.max(...only(done).subflows[0]!.inFlight.filter((one) => one > 0)) * 1428).toBeLessThanOrEqual(
    50_000 + 2 * 1428,
  );
});

test("the picture has a line for each subflow, and a path's queue", async () => {
  const svg = run({ scheduler: await bundled("burst"), bytes: MEGABYTES }, [FAST, SLOW], { duration: "2s" }).toSvg({
    title: "Two <paths>",
  });
  expect(svg).toContain("Two &#60;paths&#62;");
  expect(svg).toContain("0: ts_burst, path 1");
  expect(svg.match(/<polyline/g)!.length).toBeGreaterThanOrEqual(8);
});

test("mistakes name their place and what would be right", async () => {
  const scheduler = await bundled("first");
  const wrong =
    (options: object): (() => unknown) =>
    () =>
      simulateSessions({ duration: "1s", paths: TWO, sessions: [{ scheduler }], ...options });
  expect(wrong({ paths: [] })).toThrow("simulate: paths: there are none; give at least one");
  expect(wrong({ paths: [{ rate: "fast", delay: "1ms", queue: 1 }] })).toThrow('paths[0].rate: "fast" is no rate');
  expect(wrong({ sessions: [{ scheduler: "first" }] })).toThrow(
    "sessions[0].scheduler: this is no loaded packet scheduler",
  );
  expect(wrong({ sessions: [{ scheduler, subflows: [{ path: 2 }] }] })).toThrow(
    "sessions[0].subflows[0].path: 2 is no number of a path",
  );
  expect(wrong({ sessions: [{ scheduler, subflows: [] }] })).toThrow(
    "sessions[0].subflows: this is no list of subflows",
  );
  expect(wrong({ sessions: [{ scheduler, subflows: [{ path: 0, backup: 1 }] }] })).toThrow("subflows[0].backup");
  expect(wrong({ sessions: [{ scheduler, congestionControl: "bbr" }] })).toThrow(
    'sessions[0].subflows[0].congestionControl: "bbr" is not built in',
  );
  expect(wrong({ sessions: [{ scheduler, byte: 1 }] })).toThrow("sessions[0].byte: there is no such option");
  expect(wrong({ path: TWO[0] })).toThrow("options.path: there is no such option");
});

test("the receiver's stream: whatever arrives in whatever order, each byte counts once", () => {
  for (let seed = 1; seed <= 200; seed++) {
    const dice = createDice(seed);
    const stream = createReassembly();
    const has = new Uint8Array(64);
    let duplicates = 0;
    for (let step = 0; step < 40; step++) {
      const start = Math.floor(dice() * 60);
      const end = start + 1 + Math.floor(dice() * 4);
      stream.take(start, end);
      for (let at = start; at < end; at++) duplicates += has[at]! === 1 ? 1 : 0;
      has.fill(1, start, end);
      const next = has.indexOf(0);
      expect([stream.next, stream.duplicates], `seed ${seed}, step ${step}`).toEqual([
        next < 0 ? 64 : next,
        duplicates,
      ]);
    }
  }
});
