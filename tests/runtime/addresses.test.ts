// The addresses of a namespace as its kernel has them: which can be used, and whether a link took one or brought it back.
import { readdirSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { addressText } from "../../compiler/addresses.ts";
import { holdsLocalAddresses, MOST_LOCAL_ADDRESSES } from "../../compiler/local-addresses.ts";
import { loadModule } from "../../runtime/kernel/load.ts";
import { followLocalAddresses } from "../../runtime/mptcp/daemon.ts";
import { watchAddresses, type AddressWatch } from "../../runtime/mptcp/addresses.ts";
import { openSockDiag } from "../../runtime/mptcp/sock-diag.ts";
import { compiled } from "./compiled.ts";
import { moduleOf, returnOne, sockOps } from "./hand-made.ts";
import { openLab, until, whyNot, type Lab } from "./lab.ts";

const skip = whyNot();
/** The link goes down first. */
const GONE = ["-10.3.0.1 by its link", "-10.3.0.1"];

describe.skipIf(skip)(skip ? `addresses and links (skipped: ${skip})` : "addresses and links", () => {
  let lab: Lab;
  let c: string;
  let s: string;
  let watch: AddressWatch;
  const told: string[] = [];

  beforeAll(() => {
    lab = openLab();
    c = lab.netns("c");
    s = lab.netns("s");
    lab.wire(c, "v0", ["10.1.0.1/24", "fd01::1/64"], s, "v0", ["10.1.0.2/24"]);
    lab.wire(c, "v1", [], s, "v1", []);
    const line =
      (sign: string) =>
      ({ bytes }: { bytes: Uint8Array }, byLink: boolean): void =>
        void told.push(`${sign}${addressText(bytes)}${byLink ? " by its link" : ""}`);
    watch = watchAddresses(c, line("+"), line("-"));
    lab.defer(() => watch.close());
  });
  afterAll(() => lab?.close());

  const after = async (change: () => void, ...wanted: string[]): Promise<void> => {
    told.length = 0;
    change();
    await until("it is told", () => told.length >= wanted.length, 5000).catch(() => undefined);
    expect(told).toEqual(wanted);
  };

  it("are those of links that are up", () => {
    expect(watch.current.map(({ bytes }) => addressText(bytes))).toEqual(["10.1.0.1", "fd01::1"]);
  });
  it("go with a carrier, and come back with it", async () => {
    await after(() => lab.ip(s, "link", "set", "v0", "down"), "-10.1.0.1 by its link", "-fd01::1 by its link");
    await after(() => lab.ip(s, "link", "set", "v0", "up"), "+10.1.0.1 by its link", "+fd01::1 by its link");
  });
  it("of two links are told once, and gone when both are down", async () => {
    await after(() => lab.ip(c, "addr", "add", "10.9.0.1/24", "dev", "v0"), "+10.9.0.1");
    lab.ip(c, "addr", "add", "10.9.0.1/24", "dev", "v1");
    await after(() => lab.ip(s, "link", "set", "v0", "down"), "-10.1.0.1 by its link", "-fd01::1 by its link");
    await after(() => lab.ip(s, "link", "set", "v1", "down"), "-10.9.0.1 by its link");
    // What goes while its link is down does not come back with it; what is new when the link comes up is not the link's.
    lab.ip(c, "addr", "del", "10.9.0.1/24", "dev", "v0");
    await after(() => lab.ip(c, "addr", "del", "10.9.0.1/24", "dev", "v1"), "-10.9.0.1");
    // What comes and goes while its link is down is news to nobody.
    lab.ip(c, "addr", "add", "10.9.0.2/24", "dev", "v0");
    lab.ip(c, "addr", "del", "10.9.0.2/24", "dev", "v0");
    await after(() => lab.ip(s, "link", "set", "v0", "up"), "+10.1.0.1 by its link", "+fd01::1 by its link");
    await after(() => lab.ip(c, "addr", "del", "10.1.0.1/24", "dev", "v0"), "-10.1.0.1");
    await after(() => lab.ip(c, "addr", "add", "10.1.0.1/24", "dev", "v0"), "+10.1.0.1");
  });
  it("go with a device that is unplugged or moved away", async () => {
    lab.wire(c, "v2", [], s, "v2", []);
    await after(() => lab.ip(c, "addr", "add", "10.3.0.1/24", "dev", "v2"), "+10.3.0.1");
    await after(() => lab.ip(c, "link", "set", "v2", "netns", s.replace(/.*\//, ""), "name", "v9"), ...GONE);
    lab.ip(s, "link", "del", "v9");
    lab.wire(c, "v2", [], s, "v2", []);
    await after(() => lab.ip(c, "addr", "add", "10.3.0.1/24", "dev", "v2"), "+10.3.0.1");
    await after(() => lab.ip(c, "link", "del", "v2"), ...GONE);
  });
  it("that are deprecated are not their link's", async () => {
    const set = (valid: string) => () =>
      void lab.ip(c, "addr", "change", "fd01::1/64", "dev", "v0", "valid_lft", "forever", "preferred_lft", valid);
    await after(set("0"), "-fd01::1");
    await after(set("forever"), "+fd01::1");
  });
  it("that cannot be stored leave nothing open", () => {
    const many = Array.from({ length: MOST_LOCAL_ADDRESSES }, (_, at) => `10.8.0.${at + 1}/32`);
    for (const one of many) lab.ip(c, "addr", "add", one, "dev", "v0");
    // Its map with a program that any kernel takes.
    const { maps } = compiled("fullmesh", "patched");
    const object = loadModule({
      ...moduleOf({ programs: [sockOps("nothing", returnOne)] }),
      maps: maps.filter(holdsLocalAddresses),
    });
    const open = (): number => readdirSync("/proc/self/fd").length;
    const before = open();
    try {
      const refuse = (text: string): void => {
        throw new Error(text);
      };
      expect(() => followLocalAddresses(object, c, refuse)).toThrow("no room");
      expect(open()).toBe(before);
    } finally {
      object.close();
      for (const one of many) lab.ip(c, "addr", "del", one, "dev", "v0");
    }
  });
  it("of a connection lead to what it has done", async () => {
    const [client, server] = [await lab.peer(c), await lab.peer(s)];
    await server.call("listen", { host: "10.1.0.2", port: 7100, mode: "echo" });
    const id = await client.call<number>("connect", { host: "10.1.0.2", port: 7100 });
    await client.call("send", { id, length: 5000 });
    await until(
      "the echo",
      async () => (await client.call<{ received: number }>("state", { id })).received === 5000,
      20_000,
    );
    const diag = openSockDiag(s);
    const end = (last: number, port: number) => ({ bytes: Uint8Array.from([10, 1, 0, last]), port });
    try {
      const ports = lab.inside(c, "ss", "-tnH", "dst", "10.1.0.2:7100");
      const port = Number(/10\.1\.0\.1:(\d+)/.exec(String(ports))![1]);
      const facts = diag.tcp(end(2, 7100), end(1, port));
      expect(facts).toMatchObject({ bytesReceived: 5000n });
      expect(facts!.srttUs).toBeGreaterThan(0);
      expect(facts!.mss).toBeGreaterThan(500);
      expect(diag.tcp(end(2, 7100), end(1, port === 1 ? 2 : 1))).toBeUndefined();
    } finally {
      diag.close();
    }
  });
});
