// What hangs on the sockets of another process, from a script and by the command.
import { closeSync, openSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { load, socketOf, type LoadedObject } from "../../runtime/api.ts";
import * as map from "../../runtime/cli/map.ts";
import { mapInfo } from "../../runtime/kernel/info.ts";
import { compiled } from "./compiled.ts";
import { openLab, whyNot, type Lab, type Peer } from "./lab.ts";

const skip = whyNot();
const context = (first: number): Record<"traceId" | "spanId", number[]> => ({
  traceId: Array.from({ length: 16 }, (_, at) => first + at),
  spanId: Array.from({ length: 8 }, (_, at) => first + 16 + at),
});
const bytesOf = ({ traceId, spanId }: ReturnType<typeof context>): number[] => [...traceId, ...spanId];

describe.skipIf(skip)(skip ? `sockets of other processes (skipped: ${skip})` : "sockets of other processes", () => {
  let lab: Lab;
  let peer: Peer;
  let object: LoadedObject;
  let fd: number;
  let id: number;
  let number: number;
  beforeAll(async () => {
    lab = openLab();
    const net = lab.netns("c");
    peer = await lab.peer(net);
    object = load(compiled("trace-context", "mainline"));
    lab.defer(() => object.close());
    number = mapInfo(object.maps["outgoing"]!.fd).id;
    await peer.call("listen", { host: "127.0.0.1", port: 7100 });
    id = await peer.call<number>("connect", { host: "127.0.0.1", port: 7100 });
    fd = await peer.call<number>("descriptor", { id });
  });
  afterAll(() => lab?.close());
  const ofPeer = (): Promise<number[]> => peer.call<number[]>("storage", { id, map: number, length: 24 });

  it("are keys, by a descriptor of our own", async () => {
    const outgoing = object.maps["outgoing"]!;
    const socket = socketOf(peer.pid, fd);
    try {
      expect(outgoing.get(socket.fd)).toBeUndefined();
      outgoing.set(socket.fd, context(1));
      expect(await ofPeer()).toEqual(bytesOf(context(1)));
      expect(outgoing.get(socket.fd)).toEqual(context(1));
      expect(outgoing.delete(socket.fd)).toBe(true);
      expect(outgoing.delete(socket.fd)).toBe(false);
    } finally {
      socket.close();
    }
  });

  it("are PID:FD to the command", async () => {
    let said = "";
    const write = vi.spyOn(process.stdout, "write").mockImplementation((chunk) => {
      said += String(chunk);
      return true;
    });
    try {
      const key = `${peer.pid}:${fd}`;
      const options = { pins: "/sys/fs/bpf/tsbpf", json: true };
      await map.set(`id:${number}`, key, JSON.stringify(context(9)), options);
      expect(await ofPeer()).toEqual(bytesOf(context(9)));
      said = "";
      expect(await map.get(`id:${number}`, key, options)).toBe(0);
      expect(JSON.parse(said)).toEqual(context(9));
      expect(await map.remove(`id:${number}`, key, options)).toBe(0);
      expect(await map.get(`id:${number}`, key, options)).toBe(1);
      for (const wrong of ["7", "socket", ":7", `${peer.pid}:`])
        expect(() => map.get(`id:${number}`, wrong, options), wrong).toThrow("is no socket");
    } finally {
      write.mockRestore();
    }
  });

  it("are refused with what is wrong", () => {
    expect(() => socketOf(peer.pid, 9999)).toThrow(`process ${peer.pid} has no descriptor 9999`);
    // Beyond the largest number of a process.
    expect(() => socketOf(99_999_999, fd)).toThrow("there is no process 99999999");
    const nothing = openSync("/dev/null", "r");
    expect(() => socketOf(process.pid, nothing)).toThrow(
      `descriptor ${nothing} of process ${process.pid} is no socket`,
    );
    expect(() => object.maps["outgoing"]!.get(nothing)).toThrow(/reading outgoing/);
    closeSync(nothing);
  });
});
