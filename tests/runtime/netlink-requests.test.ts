// What a program asks of the netlink daemon, and what the kernel is asked then: the daemon's own code with a kernel made of tables.
import { afterEach, describe, expect, it } from "vitest";
import { startDaemon, type Daemon, type NetlinkReport } from "../../runtime/mptcp/netlink-daemon.ts";
import { compiled } from "./compiled.ts";
import { event, kernel, local } from "./kernel-of-tables.ts";
import { until } from "./lab.ts";

const MAPPED = new Uint8Array([0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 0, 0, 1]);
/** What the test asks for is the id of an announced address. */
const ASK = { announce: 1, withdraw: 2, announce6: 3, open: 4, announceMapped: 5, open6: 6 } as const;
const ASKED = `
import { ArrayMap, i32, ipv4, ipv6, license } from "tsbpf";
import { pathManager } from "tsbpf/mptcp";
license("GPL");
/** What the requests gave, by id, and in closeSession from 8 on. */
export const gave = new ArrayMap({ value: i32, maxEntries: 16 });
export const asked = pathManager({
  addRemoteAddress(session, remote) {
    if (remote.id === 1) gave.set(1, session.announceAddress({ addr: ipv4("10.9.9.9") }));
    if (remote.id === 2) gave.set(2, session.withdrawAddress({ addr: ipv4("10.9.9.9") }));
    if (remote.id === 3) gave.set(3, session.announceAddress({ addr: ipv6("fd09::9") }));
    if (remote.id === 4) gave.set(4, session.openSubflow({ from: { addr: ipv4("10.9.9.9") } }));
    if (remote.id === 5) gave.set(5, session.announceAddress({ addr: ipv6("::ffff:10.9.9.9") }));
    if (remote.id === 6) gave.set(6, session.openSubflow({ from: { addr: ipv6("fd09::9") }, to: { addr: ipv6("fd09::1") } }));
  },
  closeSession(session) {
    gave.set(8, session.announceAddress({ addr: ipv4("10.9.9.9") }));
    gave.set(9, session.setTimer(1000));
    gave.set(10, session.openSubflow({ from: { addr: ipv4("10.9.9.9") } }));
    gave.set(11, session.closeSubflow());
    gave.set(12, session.setPriority(true));
  },
});
`;

describe("requests over netlink", () => {
  let daemon: Daemon | undefined;
  afterEach(() => daemon?.close());

  const start = () => {
    const world = kernel();
    const calls: string[] = [];
    const reports: NetlinkReport[] = [];
    let answer = 0;
    Object.assign(world.doors.pm, {
      announce: (_: number, { bytes }: { bytes: Uint8Array }) => (calls.push(`announce ${bytes.join(".")}`), answer),
      remove: (_: number, id: number) => (calls.push(`remove ${id}`), 0),
      createSubflow: () => (calls.push("open"), 0),
    });
    const running = (daemon = startDaemon(compiled("asked", "patched", ASKED), world.doors, {
      surveySeconds: 3600,
      report: (report) => reports.push(report),
    }));
    return {
      world,
      calls,
      reports,
      ask: (what: keyof typeof ASK, token = 1) => world.tell(event("announced", token, { remoteId: ASK[what] })),
      gave: (slot: number): number => {
        const [value] = running.machine.maps.get("gave")!.read(new Uint8Array([slot, 0, 0, 0]))!;
        return new DataView(value!.buffer, value!.byteOffset).getInt32(0, true);
      },
      answers: (errno: number) => (answer = errno),
    };
  };

  it("an address that is announced is not announced again, and can be withdrawn once", () => {
    const { world, ask, calls } = start();
    world.open(1);
    for (const what of ["announce", "announce", "withdraw", "withdraw", "announce"] as const) ask(what);
    expect(calls).toEqual(["announce 10.9.9.9", "remove 1", "announce 10.9.9.9"]);
  });

  it("what has a subflow and was not announced is not withdrawn: that would end the subflow", () => {
    const { world, ask, calls } = start();
    world.open(1);
    ask("open");
    ask("withdraw");
    expect(calls).toEqual(["open"]);
    ask("announce");
    ask("withdraw");
    expect(calls).toEqual(["open", "announce 10.9.9.9", "remove 1"]);
  });

  it("an announced address stays while its link is down, and is withdrawn when it is deleted", async () => {
    const { world, ask, calls } = start();
    world.open(1);
    ask("announce");
    world.removeAddress(true);
    await until("it is told", () => daemon!.waiting === 0);
    expect(calls).toEqual(["announce 10.9.9.9"]);
    world.removeAddress();
    await until("it is told", () => daemon!.waiting === 0);
    expect(calls).toEqual(["announce 10.9.9.9", "remove 1"]);
    // It is back, and the peer hears of it again.
    ask("announce");
    expect(calls).toEqual(["announce 10.9.9.9", "remove 1", "announce 10.9.9.9"]);
  });

  it("an announcement is reported, and one that the kernel refuses once per address", () => {
    const { world, ask, reports, answers } = start();
    const announced = () => reports.filter(({ kind }) => kind === "announced");
    world.open(1);
    answers(-22);
    ask("announce");
    ask("announce");
    expect(announced()).toEqual([{ kind: "announced", token: 1, address: "10.9.9.9", errno: -22 }]);
    answers(0);
    ask("announce");
    expect(announced().slice(1)).toEqual([{ kind: "announced", token: 1, address: "10.9.9.9", errno: 0 }]);
  });

  it("IPv6 is for sessions of IPv6 sockets, also of those that speak IPv4", () => {
    const { world, ask, calls, gave } = start();
    world.open(1);
    ask("announce6");
    ask("open6");
    expect([gave(ASK.announce6), gave(ASK.open6)]).toEqual([-22, -22]);
    expect(calls).toEqual([]);
    // IPv4 is IPv4, however it is written.
    ask("announceMapped");
    ask("announce");
    expect([gave(ASK.announceMapped), ...calls]).toEqual([0, "announce 10.9.9.9"]);
    const ends = { local: { bytes: MAPPED, port: 1 }, remote: { bytes: MAPPED, port: 443 } };
    world.tell(event("created", 2, ends));
    world.tell(event("established", 2, ends));
    ask("announce6", 2);
    expect(gave(ASK.announce6)).toBe(0);
    expect(calls.slice(1)).toEqual([expect.stringMatching(/^announce 253\.9\./)]);
  });

  it("a session that is closed takes no requests", () => {
    const { world, calls, gave } = start();
    world.open(1);
    world.tell(event("closed", 1));
    expect([8, 9, 10, 11, 12].map(gave)).toEqual(new Array(5).fill(-107));
    expect(calls).toEqual([]);
  });
});

describe("facts over netlink", () => {
  it.each(["told of", "found"])("the first subflow of a session that is %s has its round-trip time", async (how) => {
    const world = kernel();
    const backups: number[] = [];
    Object.assign(world.doors.pm, {
      setBackup: (_: number, { port }: { port: number }) => (backups.push(port), 0),
    });
    // Port 9 is on a slow way.
    Object.assign(world.doors.diag, {
      tcp: ({ port }: { port: number }) => ({
        mss: 1400,
        srttUs: port === 9 ? 90_000 : 10_000,
        sndCwnd: 10,
        totalRetrans: 0,
        bytesAcked: 0n,
        bytesReceived: 0n,
      }),
    });
    if (how === "found") world.open(1, true);
    const daemon = startDaemon(compiled("backup-by-rtt", "patched"), world.doors, { surveySeconds: 3600 });
    try {
      if (how === "told of") world.open(1);
      await until("the session is there", () => daemon.sessions.size === 1 && daemon.waiting === 0);
      world.tell(event("subflowEstablished", 1, { local: { ...local, port: 9 }, localId: 1 }));
      expect(backups).toEqual([9]);
    } finally {
      daemon.close();
    }
  });
});
