// Damaged objects on their way into the kernel: an error that says what is wrong, or a program that runs, and nothing left behind.
import { afterAll, describe, expect, it } from "vitest";
import { RuntimeError, load, parseObject } from "../../runtime/api.ts";
import { writeObject } from "../../compiler/object/write.ts";
import { compiled } from "./compiled.ts";
import { nothingHeld } from "./fixtures.ts";
import { whyNot } from "./lab.ts";

const SOURCE = `
import { HashMap, license, param, RingBuf, struct, u32, u64 } from "tsbpf";
import { Op, sockOps } from "tsbpf/tcp";
license("GPL");
class Seen extends struct({ at: u64, count: u32 }) {}
export const zz_table = new HashMap({ key: u32, value: Seen, maxEntries: 8 });
export const zz_events = new RingBuf({ value: Seen, bytes: 4096 });
export const limit = param(u32, 3);
export let total: u64 = 0n;
export const zz_hostile = sockOps((ctx) => {
  switch (ctx.op) {
    case Op.TcpConnect: {
      const seen = zz_table.get(ctx.localPort);
      if (seen && seen.count < limit) seen.count += 1;
      else zz_table.set(ctx.localPort, new Seen({ count: 1 }));
      zz_events.output(new Seen({ at: total }));
      total += 1n;
      break;
    }
    default:
  }
  return 1;
});
`;
const ROUNDS = Number(process.env["FUZZ_LOADS"] ?? 400);

const skip = whyNot();
describe.skipIf(skip)(skip ? `damaged objects (skipped: ${skip})` : "damaged objects", () => {
  afterAll(() => nothingHeld("zz_"));

  it(`${ROUNDS} of them are refused with words, or load`, async () => {
    const whole = writeObject(compiled("hostile", "mainline", SOURCE));
    let state = 20191;
    const next = (below: number): number => {
      state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
      return (state >> 8) % below;
    };
    const outcomes = { loaded: 0, refused: 0 };
    for (let round = 0; round < ROUNDS; round++) {
      const bytes = round % 20 === 0 ? whole.slice(0, next(whole.length)) : whole.slice();
      for (let flips = 1 + next(3); flips > 0 && bytes.length > 0; flips--)
        bytes[next(bytes.length)] = [0, 1, 0x7f, 0xff, next(256)][next(5)]!;
      try {
        load(parseObject(bytes, "zz_hostile").module, { name: "zz_hostile" }).close();
        outcomes.loaded++;
      } catch (error) {
        if (!(error instanceof RuntimeError)) throw new Error(`round ${round}: ${String(error)}`, { cause: error });
        expect(error.message).not.toBe("");
        outcomes.refused++;
      }
    }
    expect(outcomes.loaded).toBeGreaterThan(ROUNDS / 20);
    expect(outcomes.refused).toBeGreaterThan(ROUNDS / 20);
  });
});
