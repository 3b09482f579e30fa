/** Connections with an option on every segment, and what became of it: what was on the wire, and which handlers ran. On this machine's kernel and on the patched one. */
import { TCP_FLAGS } from "../../../compiler/bpf/kinds/sock-ops.ts";
import type { TargetName } from "../../../compiler/bpf/kernels.ts";
import { load } from "../../../runtime/api.ts";
import { hasEvents } from "../company/members.ts";
import { capture, type Segment } from "../capture.ts";
import { compiled } from "../compiled.ts";
import { lose, type Family, type Lost } from "../dropping.ts";
import { pause, until, type Lab } from "../lab.ts";
import { eventsOf, flagsOf, lifeSource, toldOf, type Event, type Told } from "./program.ts";

const PATIENCE = 60_000;
const { syn, ack, fin, rst } = TCP_FLAGS;
/** More than two full segments, which the sender hands over as one. */
export const LONG = 4000;

/** One segment. */
export interface One {
  readonly from: "client" | "server";
  readonly flags: number;
  readonly payload: number;
  /** Where it ends in its sender's stream. */
  readonly end: number;
  /** null: it had no option. */
  readonly told: Told | null;
}
export interface Life {
  readonly segments: readonly One[];
  readonly client: readonly Event[];
  readonly server: readonly Event[];
}
export const SESSIONS = [
  "whole",
  "SYN lost",
  "SYN-ACK lost",
  "data lost",
  "FIN lost",
  "ACK lost",
  "ACKs lost",
  "reset",
  "cookie",
  "TIME_WAIT",
  "closed port",
] as const;
export type Session = (typeof SESSIONS)[number];
export type Lives = Readonly<Record<Session, Life>>;
/** As if nothing had been seen: what every check must object to. */
export const NOTHING = Object.fromEntries(
  SESSIONS.map((name) => [name, { segments: [], client: [], server: [] } satisfies Life]),
) as unknown as Lives;
/** What the program hangs on. */
export type Place = "cgroup" | "network namespace";

const ADDRESSES = {
  IPv4: { client: "10.95.0.1/24", server: "10.95.0.2/24" },
  IPv6: { client: "fd95::1/64", server: "fd95::2/64" },
} as const;
const isSmallData = (one: Segment): boolean => one.payload === 7;

export async function life(lab: Lab, target: TargetName, place: Place, family: Family): Promise<Lives> {
  const nets = { client: lab.netns(`c${family}`), server: lab.netns(`s${family}`) };
  const addresses = ADDRESSES[family];
  lab.wire(nets.client, "v0", [addresses.client], nets.server, "v1", [addresses.server]);
  const host = addresses.server.replace(/\/.*/, "");
  const groups = { client: lab.cgroup(`client${family}`), server: lab.cgroup(`server${family}`) };
  const client = await lab.peer(nets.client, groups.client);
  const server = await lab.peer(nets.server, groups.server);
  const wire = capture(nets.client);
  lab.defer(() => wire.stop());
  let port = 6400;
  const of = (number: number): readonly Segment[] =>
    wire.segments.filter(({ sourcePort, destinationPort }) => sourcePort === number || destinationPort === number);
  const oneOf = (segment: Segment): One => ({
    from: segment.destinationPort === port ? "client" : "server",
    flags: flagsOf(segment),
    payload: segment.payload,
    end: (segment.sequence + segment.payload) >>> 0,
    told: toldOf(segment) ?? null,
  });
  const source = lifeSource(!hasEvents(target));

  /** Both ends run the program while `steps` are done. */
  const during = async (steps: () => Promise<unknown>): Promise<Life> => {
    const sides = {
      client: load(compiled("life", target, source)),
      server: load(compiled("life", target, source)),
    };
    try {
      port++;
      for (const side of ["client", "server"] as const)
        sides[side].attach(place === "cgroup" ? groups[side] : { netns: nets[side] });
      await steps();
      await pause(300);
      return {
        segments: of(port).map(oneOf),
        client: eventsOf(sides.client),
        server: eventsOf(sides.server),
      };
    } finally {
      for (const one of Object.values(sides)) one.close();
    }
  };
  const listen = (mode = "echo"): Promise<number> => server.call("listen", { host, port, mode });
  const connect = (): Promise<number> => client.call<number>("connect", { host, port });
  const receives = (id: number, bytes: number): Promise<unknown> =>
    until(
      "the echo",
      async () => (await client.call<{ received: number }>("state", { id })).received === bytes,
      PATIENCE,
    );
  const open = async (mode = "echo"): Promise<{ readonly id: number; readonly accepted: number }> => {
    await listen(mode);
    const before = server.accepted.length;
    const id = await connect();
    await client.call("send", { id, length: 4 });
    const accepted = await until("accepted", () => server.accepted[before], PATIENCE);
    await until(
      "the first bytes",
      async () => (await server.call<{ received: number }>("state", { id: accepted })).received === 4,
      PATIENCE,
    );
    if (mode === "echo") await receives(id, 4);
    // Until what is delayed of the acknowledgements is sent.
    await pause(100);
    return { id, accepted };
  };
  /** From then on nothing is sent any more. */
  const resets = async (id: number): Promise<void> => {
    await client.call("reset", { id });
    await until("a reset", () => of(port).find((one) => one.rst), PATIENCE);
  };
  const bothFinish = (): Promise<unknown> =>
    until(
      "both have said FIN",
      () => new Set(of(port).flatMap((one) => (one.fin ? [one.sourcePort] : []))).size === 2,
      PATIENCE,
    );
  /** Segments of one side are lost while `step` is done, until one of those that `is` finds was sent again. */
  const losing = async (
    at: "client" | "server",
    what: Lost,
    is: (one: Segment) => boolean,
    step: () => void,
    times = 2,
  ): Promise<void> => {
    const restore = lose(nets[at], at === "client" ? "v0" : "v1", family, {
      ...(at === "client" ? { from: port } : { to: port }),
      ...what,
    });
    try {
      step();
      await until("it is sent again", () => of(port).filter(is).length >= times, PATIENCE);
    } finally {
      restore();
    }
  };
  const only = (flags: number): NonNullable<Lost["flags"]> => ({ of: syn | ack | fin | rst, are: flags });
  /** The first of two tries to connect is lost, and the connection then made. */
  const connectLosing = (at: "client" | "server", flags: number): Promise<Life> =>
    during(async () => {
      await listen();
      let connecting!: Promise<number>;
      await losing(
        at,
        { flags: only(flags) },
        (one) => flagsOf(one) === flags,
        () => {
          connecting = connect();
        },
      );
      const id = await connecting;
      await client.call("send", { id, length: 4 });
      await receives(id, 4);
    });
  const from = (side: "client" | "server", one: Segment): boolean =>
    (one.destinationPort === port) === (side === "client");

  const lives: { [S in Session]?: Life } = {};
  lives.whole = await during(async () => {
    const { id } = await open();
    await client.call("end", { id });
    await bothFinish();
  });
  lives["SYN lost"] = await connectLosing("server", syn);
  lives["SYN-ACK lost"] = await connectLosing("client", syn | ack);
  lives["data lost"] = await during(async () => {
    const { id } = await open();
    await losing(
      "server",
      {},
      (one) => from("client", one) && isSmallData(one),
      () => void client.call("send", { id, length: 7 }),
    );
    await receives(id, 11);
  });
  lives["FIN lost"] = await during(async () => {
    const { id } = await open();
    await losing(
      "server",
      { flags: { of: fin, are: fin } },
      (one) => from("client", one) && one.fin,
      () => void client.call("end", { id }),
    );
    await bothFinish();
  });
  const lastAnswer = async (length: number): Promise<void> => {
    const { id } = await open("sink");
    await losing(
      "client",
      {},
      (one) => from("client", one) && toldOf(one)?.again === true,
      () => void client.call("send", { id, length }),
    );
    await resets(id);
  };
  lives["ACK lost"] = await during(() => lastAnswer(7));
  lives["ACKs lost"] = await during(() => lastAnswer(LONG));
  lives.reset = await during(async () => {
    const { id } = await open();
    await resets(id);
  });
  lab.inside(nets.server, "sysctl", "-qw", "net.ipv4.tcp_syncookies=2");
  try {
    lives.cookie = await during(() => open());
  } finally {
    lab.inside(nets.server, "sysctl", "-qw", "net.ipv4.tcp_syncookies=1");
  }
  lives.TIME_WAIT = await during(async () => {
    const { id } = await open();
    // The client's answer to the FIN is lost, so that it is asked for again when the client's connection is gone.
    await losing(
      "server",
      { flags: only(ack) },
      (one) => from("server", one) && one.fin,
      () => void client.call("end", { id }),
    );
  });
  lives["closed port"] = await during(async () => {
    await connect().catch(() => undefined);
    await until("a refusal", () => of(port).find((one) => one.rst), PATIENCE);
  });
  return lives as Lives;
}
