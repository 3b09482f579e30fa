import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { htonl } from "tsbpf";
import { connect, load, together, type TcpOptionUnderTest } from "tsbpf/testing";
import { afterAll, describe, expect, test } from "vitest";

const source = new URL("../server-id.ts", import.meta.url);
type Module = typeof import("../server-id.ts");
const named = Uint8Array.of(183, 6, 0, 0, 0x12, 0x34);

const folder = mkdtempSync(join(tmpdir(), "tsbpf-server-id-"));
afterAll(() => rmSync(folder, { recursive: true }));
let files = 0;

describe.each(["mainline", "patched"] as const)("server id on %s", (target) => {
  const server = () => load<Module>(source, { target, params: { serverId: 0x1234 } });
  const client = () => load<Module>(source, { target });
  /** Another option on a listener's SYN-ACKs, with so many bytes that all are 7. */
  const another = (kind: number, length: number) => {
    const path = join(folder, `other${files++}.ts`);
    writeFileSync(
      path,
      `import { array, license, struct, u8 } from "tsbpf";
import { tcpOption } from "tsbpf/tcp";
license("GPL");
class Mark extends struct({ value: array(u8, ${length}) }) {}
export const mark = tcpOption({
  kind: ${kind},
  payload: Mark,
  listening(conn) { conn.startWriting(); },
  write(conn, option) { for (let at = 0; at < ${length}; at++) option.value[at] = 7; },
});
`,
    );
    return load<{ mark: TcpOptionUnderTest }>(path, { target });
  };

  test("a server names itself on the SYN-ACK, and on nothing else", async () => {
    const { serverName } = await server();
    serverName.listening();
    expect(serverName.request()).toEqual(named);
    serverName.established("server");
    expect(serverName.send(100)).toBeUndefined();
    expect(serverName.write()).toBeUndefined();
  });

  test("a host without a number names nobody", async () => {
    const { serverName } = await client();
    serverName.listening();
    expect(serverName.request()).toBeUndefined();
  });

  test("nor where another option is on its listener", async () => {
    const { mark } = await another(100, 1);
    const both = together(mark, (await client()).serverName);
    both.listening();
    expect(both.request()).toEqual(Uint8Array.of(100, 3, 7));
  });

  test.each([
    ["shorter", 3],
    ["longer", 5],
  ])("a name that is %s is none", async (_, length) => {
    const { mark } = await another(183, length);
    const { serverName, servers } = await client();
    const network = connect(serverName, mark);
    network.transfer("client", 3_000);
    expect(network.segments.find(({ syn, ack }) => syn && ack)!.options.slice(0, 2)).toEqual(
      Uint8Array.of(183, 2 + length),
    );
    expect(servers.get(network.client.conn)).toBeUndefined();
    expect(network.segments.filter(({ from, options }) => from === "client" && options.length > 0)).toEqual([]);
  });

  test("the client repeats what the SYN-ACK said on every segment", async () => {
    const network = connect((await client()).serverName, (await server()).serverName);
    network.open();
    network.transfer("client", 3_000);
    network.transfer("server", 3_000);
    network.close();
    const options = (from: "client" | "server") => network.segments.filter((one) => one.from === from);
    const [syn, ...rest] = options("client");
    expect(syn).toMatchObject({ syn: true, options: new Uint8Array() });
    expect(rest.length).toBeGreaterThan(4);
    for (const segment of rest) expect(segment.options).toEqual(named);
    const [synAck, ...others] = options("server");
    expect(synAck!.options).toEqual(named);
    for (const segment of others) expect(segment.options).toEqual(new Uint8Array());
  });

  test("a middlebox that strips the option leaves the connection as it was", async () => {
    const network = connect((await client()).serverName, (await server()).serverName, { strip: [183] });
    network.open();
    network.transfer("client", 3_000);
    expect(network.segments.filter(({ from, options }) => from === "client" && options.length > 0)).toEqual([]);
  });

  test("only the SYN-ACK names a server", async () => {
    const { serverName, servers } = await client();
    serverName.established("client");
    serverName.parse(named);
    expect(servers.get(serverName.conn)).toBeUndefined();
    expect(serverName.write()).toBeUndefined();
    expect(htonl(0x1234)).toBe(htonl(0x1234));
  });
});
