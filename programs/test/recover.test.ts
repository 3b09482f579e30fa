import { htons, ipv4 } from "tsbpf";
import { createHost, load } from "tsbpf/testing";
import { describe, expect, test } from "vitest";

const source = new URL("../recover.ts", import.meta.url);
type Module = typeof import("../recover.ts");
const SECOND = 1_000;
const ENDS = { localIp4: ipv4("10.1.0.1"), remoteIp4: ipv4("10.1.0.2"), remotePort: htons(443) } as const;

describe("recover", () => {
  const open = async (params: { longestWaitSeconds?: number; mostFailures?: number } = {}) => {
    const host = createHost();
    const { recover, broken } = await load<Module>(source, { host, params });
    const session = recover.session(ENDS);
    session.establish();
    /** The first subflow of the session ends. */
    const ends = (error: number): void =>
      void recover.emit("subflowClosed", { error }, { ...ENDS, token: session.token });
    const asked = (): number => session.subflows.length;
    return { host, recover, broken, session, ends, asked };
  };

  test("what broke is opened again at once, between the same addresses", async () => {
    const { session, ends, asked } = await open();
    ends(110);
    expect(asked()).toBe(1);
    expect(session.subflows[0]).toMatchObject({
      from: { addr: ENDS.localIp4 },
      to: { addr: ENDS.remoteIp4, port: ENDS.remotePort },
      state: "pending",
    });
  });

  test("what ended in order is not", async () => {
    const { ends, asked } = await open();
    ends(0);
    expect(asked()).toBe(0);
  });

  test("what breaks again waits 1, 2, 4 … seconds, and is opened when they are over, whatever else happens", async () => {
    const { session, ends, asked } = await open({ longestWaitSeconds: 3 });
    ends(110);
    for (const [turn, wait] of [1, 2, 3, 3].entries()) {
      ends(110);
      session.advance(wait * SECOND - 1);
      expect(asked(), `before turn ${turn}`).toBe(1 + turn);
      session.advance(1);
      expect(asked(), `turn ${turn}`).toBe(2 + turn);
    }
  });

  test("one that was up for long begins anew", async () => {
    const { session, ends, asked } = await open({ longestWaitSeconds: 3 });
    ends(110);
    session.advance(3 * SECOND + 1);
    ends(110);
    expect(asked()).toBe(2);
  });

  test("after so many failures in a row it is left alone, and that is said", async () => {
    const { session, recover, ends, asked } = await open({ mostFailures: 2, longestWaitSeconds: 60 });
    ends(110);
    ends(110);
    session.advance(1 * SECOND);
    ends(110);
    session.advance(59 * SECOND);
    expect(asked()).toBe(2);
    expect(recover.logged.at(-1)).toContain("broke 2 times, and is left alone");
  });

  test("four pairs of addresses are remembered, each by itself", async () => {
    const { recover, session, asked } = await open();
    for (const last of [1, 2, 3, 4, 5])
      recover.emit(
        "subflowClosed",
        { error: 110 },
        { ...ENDS, localIp4: ipv4(`10.1.0.${last}` as "10.1.0.1"), token: session.token },
      );
    expect(asked()).toBe(4);
    expect(new Set(session.subflows.map(({ from }) => from!.addr)).size).toBe(4);
  });

  test("a server opens nothing; a session that is over is forgotten", async () => {
    const { recover, broken, session } = await open();
    expect(broken.size).toBe(1);
    session.close();
    expect(broken.size).toBe(0);
    recover.emit("newSession", {}, { ...ENDS, token: 99, flags: 1 });
    expect(broken.size).toBe(0);
    recover.emit("subflowClosed", { error: 110 }, { ...ENDS, token: 99, flags: 3 });
    expect(recover.subflows).toEqual([]);
  });
});
