/** The table of docs/guides/option.md, a check for each cell: on the same kernel and side, what was on the wire and which handlers ran. */
import { expect } from "vitest";
import type { TargetName } from "../../../compiler/bpf/kernels.ts";
import { TCP_FLAGS } from "../../../compiler/bpf/kinds/sock-ops.ts";
import { hasEvents } from "../company/members.ts";
import { compiled } from "../compiled.ts";
import { lifeSource, type Event, type Handler } from "./program.ts";
import { LONG, type Life, type Lives, type One } from "./scenario.ts";

const { syn, ack, fin, rst, psh } = TCP_FLAGS;
type Side = "client" | "server";
type Check = (lives: Lives, target: TargetName) => void;
interface Row {
  readonly leaves: Check;
  readonly arrives: Check;
}

/** `length` is asked several times: which of them ran, in order, each once before another. */
const order = (events: readonly Event[]): readonly Handler[] =>
  events.map(({ handler }) => handler).filter((handler, index, all) => handler !== all[index - 1]);
const withoutLength = (events: readonly Event[]): readonly Event[] =>
  events.filter(({ handler }) => handler !== "length");
const untilWrite = (events: readonly Event[]): readonly Event[] =>
  events.slice(0, events.findIndex(({ handler }) => handler === "write") + 1);
const parsed = (events: readonly Event[]): readonly Event[] => events.filter(({ handler }) => handler === "parse");
const other = (side: Side): Side => (side === "client" ? "server" : "client");
const sentBy = (side: Side, { segments }: Life): readonly One[] => segments.filter(({ from }) => from === side);
/** PSH is the kernel's affair: the capture leaves it out. */
const shape = ({ flags, payload }: { readonly flags: number; readonly payload: number }): string =>
  `${flags & ~psh} ${payload}`;

/** Segments say that the program was told what they are. */
function isTold(segments: readonly One[], more: { readonly again?: boolean; readonly syn?: number } = {}): void {
  expect(segments.length).toBeGreaterThan(0);
  for (const { flags, payload, told } of segments)
    expect({ ...told, flags: (told?.flags ?? 0) & ~psh }).toEqual({
      flags,
      payload,
      again: false,
      cookie: false,
      syn: 0,
      ...more,
    });
}
/** Handlers of the client around a SYN-ACK that arrives: the connection is established first, and then the option is read. */
function synAckArrives({ client }: Life): void {
  const [established, parse] = withoutLength(client).slice(2);
  expect(established?.handler).toBe("established client");
  expect(parse).toMatchObject({ handler: "parse", flags: syn | ack, option: syn | ack, again: false, syn: syn | 0x80 });
}
/** Of a connection on which nothing is lost: each segment that has an option is read where it arrives, once. */
function areRead(life: Life, side: Side, is: (one: One) => boolean): void {
  const sent = sentBy(other(side), life).filter((one) => one.told && !(one.flags & (syn | rst)) && is(one));
  const read = parsed(life[side]).filter((one) => !(one.flags & syn) && sent.some((two) => shape(two) === shape(one)));
  expect(sent.length, `sent by the ${other(side)}`).toBeGreaterThan(0);
  expect(read.map(shape).toSorted(), side).toEqual(sent.map(shape).toSorted());
  for (const { flags, option, again } of read) expect({ option, again }).toEqual({ option: flags, again: false });
}
const KINDS: readonly ((one: One) => boolean)[] = [
  ({ payload }) => payload > 0,
  ({ flags, payload }) => flags === ack && payload === 0,
  ({ flags }) => (flags & fin) !== 0,
];
/** Those whose option says that they are sent again: all but the first. */
function sayAgain(segments: readonly One[]): void {
  expect(segments.length).toBeGreaterThan(1);
  expect(segments.map(({ told }) => told?.again)).toEqual(segments.map((_, index) => index > 0));
}
const isSyn = ({ flags }: One): boolean => flags === syn;
const isSynAck = ({ flags }: One): boolean => flags === (syn | ack);
const isThirdAck = (one: One, _: number, all: readonly One[]): boolean =>
  one === all.find(({ from, flags }) => from === "client" && flags === ack);

export const CELLS: Readonly<Record<string, Row>> = {
  SYN: {
    leaves({ whole }) {
      expect(order(untilWrite(whole.client))).toEqual(["connecting", "length", "write"]);
      expect(untilWrite(whole.client).at(-1)).toMatchObject({ flags: syn, payload: 0, again: false });
      isTold(whole.segments.filter(isSyn));
    },
    arrives({ whole }) {
      // synOption() in write, on the SYN-ACK, has it; nothing ran before.
      expect(order(untilWrite(whole.server))).toEqual(["listening", "length", "write"]);
      expect(whole.segments.find(isSynAck)?.told?.syn).toBe(syn | 0x80);
      expect(parsed(whole.server).filter(({ flags }) => flags & syn)).toEqual([]);
    },
  },
  "SYN-ACK": {
    leaves({ whole }) {
      expect(order(untilWrite(whole.server))).toEqual(["listening", "length", "write"]);
      expect(untilWrite(whole.server).at(-1)).toMatchObject({ flags: syn | ack, payload: 0, isRequest: true });
      isTold(whole.segments.filter(isSynAck), { syn: syn | 0x80 });
    },
    arrives: ({ whole }) => synAckArrives(whole),
  },
  "SYN-ACK, SYN cookie": {
    leaves({ cookie }, target) {
      expect(cookie.segments.find(isSynAck)?.told).toMatchObject({
        flags: syn | ack,
        syn: syn | 0x80,
        cookie: !hasEvents(target),
      });
      expect(() => compiled("life", "patched", lifeSource(true))).toThrow("segment.cookie");
    },
    arrives: ({ cookie }) => synAckArrives(cookie),
  },
  "third ACK": {
    leaves({ whole }) {
      expect(withoutLength(whole.client)[4]).toMatchObject({ handler: "write", flags: ack, payload: 0 });
      isTold(whole.segments.filter(isThirdAck));
    },
    arrives({ whole, cookie }) {
      for (const [life, saved] of [
        [whole, syn | 0x80],
        // A listener that answers with a cookie keeps no SYN.
        [cookie, 0],
      ] as const) {
        const [established, parse] = withoutLength(life.server).slice(2);
        expect(established).toMatchObject({ handler: "established server", syn: saved });
        expect(parse).toMatchObject({ handler: "parse", flags: ack, payload: 0, option: ack, again: false });
      }
    },
  },
  "data, pure ACK, FIN": {
    leaves({ whole }) {
      for (const is of KINDS)
        for (const side of ["client", "server"] as const)
          isTold(sentBy(side, whole).filter((one) => is(one) && !(one.flags & syn) && !isLast(one, whole)));
    },
    arrives({ whole }) {
      for (const is of KINDS) for (const side of ["client", "server"] as const) areRead(whole, side, is);
    },
  },
  "sent again": {
    leaves(lives) {
      sayAgain(lives["SYN lost"].segments.filter(isSyn));
      sayAgain(lives["data lost"].segments.filter(({ from, payload }) => from === "client" && payload === 7));
      sayAgain(sentBy("client", lives["FIN lost"]).filter(({ flags }) => flags & fin));
      // Of a SYN-ACK the kernel does not tell.
      const answers = lives["SYN-ACK lost"].segments.filter(isSynAck);
      expect(answers.length).toBeGreaterThan(1);
      isTold(answers, { syn: syn | 0x80 });
    },
    arrives(lives) {
      // What was lost before is new here.
      const late = parsed(lives["data lost"].server).filter(({ payload }) => payload === 7);
      expect(late.map(({ again }) => again)).toEqual([false]);
      expect(parsed(lives["FIN lost"].server).filter(({ flags }) => flags & fin)).toMatchObject([{ again: false }]);
      // What was acknowledged up to where it ends.
      const sent = sentBy("client", lives["ACK lost"]).filter(({ payload }) => payload === 7);
      const read = parsed(lives["ACK lost"].server).filter(({ payload }) => payload === 7);
      expect(sent.length).toBeGreaterThan(1);
      expect(read.map(({ again }) => again)).toEqual(sent.map((_, index) => index > 0));
      // What was acknowledged beyond where it ends: not read.
      const long = sentBy("client", lives["ACKs lost"]).filter(({ payload }) => payload > 4);
      expect(long.filter(({ told }) => !told?.again).reduce((sum, { payload }) => sum + payload, 0)).toBe(LONG);
      const end = Math.max(...long.map((one) => one.end));
      const again = long.filter(({ told }) => told?.again);
      expect(again.some((one) => one.end < end)).toBe(true);
      expect(parsed(lives["ACKs lost"].server).filter((one) => one.again).length).toBe(
        again.filter((one) => one.end === end).length,
      );
    },
  },
  "RST of a connection": {
    leaves({ reset }) {
      const written = reset.client.at(-1);
      expect(written).toMatchObject({ handler: "write", flags: rst | ack });
      isTold(reset.segments.filter(({ flags }) => flags & rst));
    },
    arrives({ reset }) {
      expect(reset.segments.some(({ from, flags }) => from === "client" && flags & rst)).toBe(true);
      expect(parsed(reset.server).filter(({ flags }) => flags & rst)).toEqual([]);
    },
  },
  "RST, ACK of nobody's": {
    leaves(lives) {
      const refusals = lives["closed port"].segments.filter(({ flags }) => flags & rst);
      expect(refusals).toMatchObject([{ from: "server", told: null }]);
      expect(lives["closed port"].server).toEqual([]);
      const life = lives.TIME_WAIT;
      expect(sentBy("server", life).filter(({ flags }) => flags & fin).length).toBeGreaterThan(1);
      expect(sentBy("client", life).at(-1)).toMatchObject({ flags: ack, told: null });
      // Whatever left without, no handler ran for it.
      const writes = life.client.filter(({ handler }) => handler === "write");
      expect(writes.length).toBe(sentBy("client", life).filter(({ told }) => told).length);
    },
    arrives(lives) {
      expect(order(lives["closed port"].client)).toEqual(["connecting", "length", "write"]);
      expect(parsed(lives.TIME_WAIT.server).at(-1)!.flags & fin).toBe(fin);
    },
  },
};

/** The answer to the last FIN is of TIME_WAIT's, or of the connection just before that: the kernel's affair. */
function isLast(one: One, { segments }: Life): boolean {
  return one.flags === ack && one === segments.at(-1);
}
