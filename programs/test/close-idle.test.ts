import { htons, ipv4 } from "tsbpf";
import { load } from "tsbpf/testing";
import { describe, expect, test } from "vitest";

const source = new URL("../close-idle.ts", import.meta.url);
type Module = typeof import("../close-idle.ts");
const lte = ipv4("10.0.2.1");
const ENDS = { localIp4: ipv4("10.0.1.1"), remoteIp4: ipv4("192.0.2.1"), remotePort: htons(443) } as const;

describe("close after inactivity", () => {
  /** A session. Its other subflows are another program's. */
  const open = async (idleMs = 10_000) => {
    const { closeIdle, seen } = await load<Module>(source, { params: { idleMs } });
    const session = closeIdle.session(ENDS);
    session.establish();
    return { closeIdle, seen, session };
  };
  const up = (
    session: Awaited<ReturnType<typeof open>>["session"],
    closeIdle: Awaited<ReturnType<typeof open>>["closeIdle"],
    remoteId: number,
  ) =>
    closeIdle.emit(
      "subflowEstablished",
      { localId: 1, remoteId },
      { ...ENDS, localIp4: lte, token: session.token, flags: 2 },
    );
  /** What the program does at the look of a timer, by its last line of history. */
  const looked = (
    session: Awaited<ReturnType<typeof open>>["session"],
    closeIdle: Awaited<ReturnType<typeof open>>["closeIdle"],
    bytesReceived: bigint,
  ): string => {
    closeIdle.emit(
      "timer",
      { localId: 1, remoteId: 1 },
      { ...ENDS, localIp4: lte, token: session.token, flags: 2, bytesReceived },
    );
    return closeIdle.history.trim().split("\n").at(-1)!;
  };

  test("what carries nothing for so long is closed, to the millisecond", async () => {
    const { closeIdle, session, seen } = await open();
    up(session, closeIdle, 1);
    expect(seen.size).toBe(1);
    const at = (bytesReceived: bigint): string => looked(session, closeIdle, bytesReceived);
    session.advance(9_999);
    expect(at(0n)).toContain("mptcp_set_timer");
    session.advance(1);
    expect(at(0n)).toContain("mptcp_close_subflow");
  });

  test("a byte in between begins anew", async () => {
    const { closeIdle, session } = await open();
    up(session, closeIdle, 1);
    const at = (bytesReceived: bigint): string => looked(session, closeIdle, bytesReceived);
    session.advance(10_000);
    expect(at(1n)).toContain("in 10001 ms");
    session.advance(4_000);
    expect(at(1n)).toContain("in 6001 ms");
    session.advance(6_000);
    expect(at(1n)).toContain("mptcp_close_subflow");
  });

  test("more than a timer's longest time is waited in pieces", async () => {
    const { closeIdle, session } = await open(0xffff_ffff);
    up(session, closeIdle, 1);
    expect(closeIdle.history.trim().split("\n").at(-1)).toContain("in 86400000 ms");
    closeIdle.emit("timer", { localId: 1, remoteId: 1 }, { ...ENDS, localIp4: lte, token: session.token, flags: 2 });
    expect(closeIdle.history.trim().split("\n").at(-1)).toContain("in 86400000 ms");
  });

  test("the first subflow stays, however quiet", async () => {
    const { closeIdle, session } = await open();
    up(session, closeIdle, 1);
    session.advance(3_600_000);
    expect(session.first).toBe("established");
  });

  test("each subflow by itself", async () => {
    const { closeIdle, session, seen } = await open();
    for (const remoteId of [1, 2]) up(session, closeIdle, remoteId);
    expect(seen.size).toBe(2);
  });
});
