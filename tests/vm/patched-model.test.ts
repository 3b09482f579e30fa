// What the patched kernel was seen to do, in the model: the recorder of tests/runtime/recorder, without a kernel beside it.
import { expect, test } from "vitest";
import { openRecorder, recordModel } from "../runtime/recorder/model.ts";
import { SESSIONS } from "../runtime/recorder/session.ts";

const [IPV4] = SESSIONS;
const numbers = (records: readonly object[], name: string): number[] =>
  records.map((one) => Number((one as Record<string, unknown>)[name]));

test("the longest delay of an ACK is what is in force: a tick below the least time-out, until an option says less", async () => {
  const { client } = await recordModel("patched", IPV4!);
  const read = numbers(client, "get_TCP_DELACK_MAX_US");
  expect(read[0]).toBe(199_000);
  expect(new Set(read.slice(1))).toEqual(new Set([40_000]));
});

test("options of the segment that ends the handshake come before a server's change of state", async () => {
  const { server } = await recordModel("patched", IPV4!);
  const events = server.map(({ op, state }) => `${op}/${String(state)}`);
  const established = events.indexOf("5/3");
  expect(events.slice(established, established + 3)).toEqual(["5/3", "66/3", "10/3"]);
});

test("a session takes requests from its beginning where it is fully established then, as a server's is", async () => {
  const { recorder, records } = await openRecorder("patched");
  for (const flags of [0, 3]) recorder.event("MptcpNewSession", {}, { token: 7, flags });
  const seen = records();
  expect(numbers(seen, "closeSubflow")).toEqual([-107, 0]);
  expect(numbers(seen, "setPriority")).toEqual([-107, 0]);
});
