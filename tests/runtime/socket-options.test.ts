// Every socket option of the language, asked of this machine's kernel by a program, by the socket's owner, and of the model.
import { describe, expect, it } from "vitest";
import type { SocketOptionName } from "../../compiler/bpf/socket-options.ts";
import { load } from "../../runtime/api.ts";
import { compiled } from "./compiled.ts";
import { until, whyNot } from "./lab.ts";
import { hosts } from "./recorder/kernel.ts";
import { asked, askKernel, askModel, AT_ONCE } from "./recorder/options.ts";
import { SESSION } from "./recorder/session.ts";

const skip = whyNot();
/** What getsockopt does not tell a process. */
const NOT_FOR_PROCESSES: ReadonlySet<string> = new Set([
  "SK_BPF_CB_FLAGS",
  "TCP_BPF_DELACK_MAX",
  "TCP_BPF_RTO_MIN",
  "TCP_BPF_SOCK_OPS_CB_FLAGS",
]);
const CLOCKS = [250, 1000, 100, 300] as const;
const parts = (["ipv4", "ipv6"] as const).flatMap((family) => {
  const names = asked(family);
  return Array.from({ length: Math.ceil(names.length / AT_ONCE) }, (_, part) => ({
    family,
    names: names.slice(part * AT_ONCE, (part + 1) * AT_ONCE),
  }));
});

/** Names, and the headers of the SYN: of the server, whose listener saves them. */
const NAMES = `
import { be16, ArrayMap, cstring, license, ntohs, struct, u16, u32, u8 } from "tsbpf";
import { Op, sockOps } from "tsbpf/tcp";
license("GPL");
class Tcp extends struct({ source: be16, destination: be16 }) {}
class Ip extends struct({ first: u8, tos: u8, length: be16, rest: u32, more: u32, from: u32, to: u32, tcp: Tcp }) {}
class More extends struct({ bytes: u32, a: u32, b: u32, c: u32, d: u32, e: u32, f: u32, g: u32, h: u32, i: u32, j: u32, k: u32, l: u32, m: u32, n: u32, o: u32 }) {}
class Seen extends struct({ control: cstring(16), saved: u16, syn: u16, ip: u8, beyond: u8, device: u8 }) {}
export const seen = new ArrayMap({ value: Seen, maxEntries: 1 });
export const names = sockOps((ctx) => {
  const one = seen.get(0);
  switch (ctx.op) {
    case Op.TcpListen:
      ctx.setSockOpt("TCP_SAVE_SYN", 1);
      break;
    case Op.PassiveEstablished: {
      ctx.setSockOpt("TCP_CONGESTION", "reno");
      const control = ctx.getSockOpt("TCP_CONGESTION");
      if (control) one.control = control;
      const saved = ctx.getSockOpt("TCP_SAVED_SYN", Ip);
      if (saved) { one.saved = ntohs(saved.tcp.destination); one.ip = saved.first; }
      const syn = ctx.getSockOpt("TCP_BPF_SYN", Tcp);
      if (syn) one.syn = ntohs(syn.source);
      if (ctx.getSockOpt("TCP_BPF_SYN", More)) one.beyond = 1;
      if (ctx.setSockOpt("SO_BINDTODEVICE", "nowhere") !== 0) one.device = 1;
      if (ctx.setSockOpt("SO_BINDTODEVICE", "v1") === 0) one.device |= 2;
      break;
    }
    default:
  }
  return 1;
});
`;

describe.skipIf(skip)(skip ? `socket options (skipped: ${skip})` : "socket options", () => {
  it.for(parts)("$names ($family)", { timeout: 120_000 }, async ({ family, names }) => {
    const { answers, own, last } = await askKernel(family, names);
    // How many ticks a second this kernel's clock has shows in nothing else.
    let model = await askModel(family, names, CLOCKS[0]);
    for (const hz of CLOCKS.slice(1))
      if (JSON.stringify(model) !== JSON.stringify(answers)) model = await askModel(family, names, hz);
    expect(model).toEqual(answers);
    // The program and the socket's owner read the same.
    const missing = names.filter((name) => !(name in own) && name in last);
    expect(missing.filter((name: SocketOptionName) => !NOT_FOR_PROCESSES.has(name))).toEqual([]);
    expect(own).toEqual(last);
    // Each is taken with one value at least.
    for (const name of names)
      expect(
        answers[name]!.some((one) => one.includes(": 0,")),
        name,
      ).toBe(true);
  });

  it("names, and the headers of the SYN", { timeout: 120_000 }, async () => {
    const object = load(compiled("names", "mainline", NAMES));
    try {
      await hosts("ipv4", async ({ groups, where, client, server }) => {
        object.attach(groups.server);
        await server.call("listen", where);
        await client.call("connect", where);
        await until("accepted", () => server.accepted.length > 0);
      });
      const { syn, ...seen } = object.maps["seen"]!.get(0) as Record<string, unknown>;
      // 64 bytes are more than the header of any SYN of this kernel's.
      expect(seen).toEqual({ control: "reno", saved: SESSION.serverPort, ip: 0x45, beyond: 0, device: 3 });
      expect(Number(syn)).toBeGreaterThanOrEqual(SESSION.clientPort);
    } finally {
      object.close();
    }
  });
});
