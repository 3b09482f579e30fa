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
    const session = recover.session(ENDS, { subflow: () => "fail" });
    session.establish();
    /** The first subflow of the session ends. */
    const ends = (error: number): void =>
      void recover.emit("subflowClosed", { error }, { ...ENDS, token: session.token });
    /** Something else happens, which is when what waits is looked at. */
    const something = (): void => session.localAddress("added", { addr: ipv4("10.9.0.1") });
    const asked = (): number => session.subflows.length;
    return { host, recover, broken, session, ends, something, asked };
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

  test("what breaks again waits 1, 2, 4 … seconds, and is opened by the first event after that", async () => {
    const { host, ends, something, asked } = await open({ longestWaitSeconds: 3 });
    ends(110);
    for (const [turn, wait] of [1, 2, 3, 3].entries()) {
      ends(110);
      host.advance(wait * SECOND - 1);
      something();
      expect(asked(), `before turn ${turn}`).toBe(1 + turn);
      host.advance(1);
      something();
      expect(asked(), `turn ${turn}`).toBe(2 + turn);
      something();
      expect(asked()).toBe(2 + turn);
    }
  });

  test("one that was up for long begins anew", async () => {
    const { host, ends, asked } = await open({ longestWaitSeconds: 3 });
    ends(110);
    host.advance(3 * SECOND + 1);
    ends(110);
    expect(asked()).toBe(2);
  });

  test("after so many failures in a row it is left alone, and that is said", async () => {
    const { host, recover, ends, something, asked } = await open({ mostFailures: 2, longestWaitSeconds: 60 });
    ends(110);
    ends(110);
    host.advance(1 * SECOND);
    something();
    ends(110);
    host.advance(59 * SECOND);
    something();
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
