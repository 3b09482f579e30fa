/** What netlink brings, damaged: decoding ends, throws nothing, and gives no byte that was not there. */
import { describe, expect, test } from "vitest";
import { parseEvent } from "../../runtime/mptcp/generic-netlink.ts";
import {
  decodeAttributes,
  decodeMessages,
  encodeAttributes,
  readU16,
  readU32,
  readU8,
  u16,
  u32,
  u8,
} from "../../runtime/mptcp/netlink.ts";
import { dice, type Dice } from "./dice.ts";

const ROUNDS = Number(process.env["FUZZ"] ?? 2_000);

/** An event as the kernel sends it: token, family, ids, addresses and ports. */
const whole = (chance: Dice): Uint8Array =>
  Uint8Array.from([
    chance.one([1, 2, 3, 6, 7, 10, 11, 13, 15, 16, chance.below(256)]),
    1,
    0,
    0,
    ...encodeAttributes([
      [1, u32(chance.below(2 ** 32))],
      [2, u16(chance.one([2, 10]))],
      [3, u8(chance.below(256))],
      [5, chance.bytes(4)],
      [8, chance.bytes(16)],
      [9, { bits: 16, value: chance.below(65_536), network: true }],
      [13, u16(chance.below(4))],
    ]),
  ]);

function message(payload: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(16 + payload.length);
  new DataView(bytes.buffer).setUint32(0, bytes.length, true);
  bytes.set(payload, 16);
  return bytes;
}

function damaged(bytes: Uint8Array, chance: Dice): Uint8Array {
  const out = chance.below(3) === 0 ? bytes.slice(0, chance.below(bytes.length + 1)) : bytes.slice();
  for (let flips = chance.below(5); flips > 0 && out.length > 0; flips--)
    out[chance.below(out.length)] = chance.one([0, 1, 3, 4, 5, 0x7f, 0x80, 0xff, chance.below(256)]);
  return out;
}

describe("damaged netlink", () => {
  test(`${ROUNDS} datagrams: messages lie within them, one behind the other`, () => {
    const chance = dice(11);
    let messages = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const parts = Array.from({ length: 1 + chance.below(3) }, () => message(whole(chance)));
      const bytes = damaged(Uint8Array.from(parts.flatMap((part) => [...part])), chance);
      let sum = 0;
      for (const { payload } of decodeMessages(bytes)) {
        messages++;
        sum += 16 + payload.length;
        const inside = [...decodeAttributes(payload, 4).values()].reduce((total, value) => total + value.length, 0);
        if (inside > payload.length) throw new Error(`round ${round}: attributes beyond their message`);
      }
      if (sum > bytes.length) throw new Error(`round ${round}: messages beyond their datagram`);
    }
    expect(messages).toBeGreaterThan(ROUNDS / 2);
  });

  test(`${ROUNDS} events: an event, or none`, () => {
    const chance = dice(12);
    let events = 0;
    for (let round = 0; round < ROUNDS; round++) {
      const bytes = damaged(whole(chance), chance);
      const event = parseEvent(bytes);
      if (!event) continue;
      events++;
      expect([event.localId <= 255, event.token >>> 0]).toEqual([true, event.token]);
      for (const end of [event.local, event.remote])
        if (end) expect(end.bytes.length).toBeLessThanOrEqual(bytes.length);
    }
    expect(events).toBeGreaterThan(ROUNDS / 4);
  });

  test("what is cut off is not there", () => {
    const bytes = encodeAttributes([
      [1, u32(7)],
      [2, u32(8)],
    ]);
    expect(readU32(decodeAttributes(bytes.subarray(0, 15)).get(2))).toBeUndefined();
    expect([readU8(undefined), readU16(Uint8Array.of(1)), readU32(Uint8Array.of(1, 2, 3))]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
    // A length of 0 would go on for ever.
    expect([...decodeMessages(new Uint8Array(64))]).toEqual([]);
    expect(decodeAttributes(new Uint8Array(64)).size).toBe(0);
  });
});
