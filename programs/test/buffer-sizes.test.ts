import { load } from "tsbpf/testing";
import { Level, SocketOption, TcpSocketOption } from "tsbpf/sockopt";
import { describe, expect, test } from "vitest";

const source = new URL("../buffer-sizes.ts", import.meta.url);
type Module = typeof import("../buffer-sizes.ts");
const int = (value: number): Uint8Array => new Uint8Array(Int32Array.of(value).buffer);
const sendBuffer = { level: Level.Socket, optname: SocketOption.SendBuffer };
const receiveBuffer = { level: Level.Socket, optname: SocketOption.ReceiveBuffer };
const userTimeout = { level: Level.Tcp, optname: TcpSocketOption.UserTimeout };

describe("buffer sizes", () => {
  test("SO_SNDBUF works, but the kernel does not hear of it; getsockopt shows twice of what was asked for, as the kernel does", async () => {
    const { buffers } = await load<Module>(source);
    const { handled, errno, conn } = buffers.setsockopt({ ...sendBuffer, value: 16384 });
    expect({ handled, errno }).toEqual({ handled: "program", errno: 0 });
    expect(buffers.getsockopt({ ...sendBuffer, value: 87040, conn }).value).toEqual(int(32768));
    expect(buffers.getsockopt({ ...receiveBuffer, value: 131072, conn }).value).toEqual(int(131072));
    expect(buffers.getsockopt({ ...sendBuffer, value: 87040 }).value).toEqual(int(87040)); // another socket
  });

  test("a value that is too short for a number is the kernel's to refuse", async () => {
    const { buffers } = await load<Module>(source);
    // Programs are shown 16 bytes at least, zeroes behind what was given: the length tells.
    expect(buffers.setsockopt({ ...sendBuffer, value: [1, 2] }).handled).toBe("kernel");
    const { conn } = buffers.setsockopt({ ...sendBuffer, value: 1 });
    expect(buffers.getsockopt({ ...sendBuffer, value: [1, 2], conn }).value).toEqual(Uint8Array.of(1, 2));
  });

  test.each([
    [1000, 30000],
    [60000, 60000],
    [0, 0],
  ])("a user timeout of %i ms becomes %i ms", async (given, taken) => {
    const { buffers } = await load<Module>(source);
    const { handled, value } = buffers.setsockopt({ ...userTimeout, value: given });
    expect({ handled, value }).toEqual({ handled: "kernel", value: int(taken) });
  });

  test("the least timeout is a param", async () => {
    const { buffers } = await load<Module>(source, { params: { leastUserTimeout: 5 } });
    expect(buffers.setsockopt({ ...userTimeout, value: 1 }).value).toEqual(int(5));
  });

  test("the congestion control is refused, other options pass", async () => {
    const { buffers } = await load<Module>(source);
    const reno = Buffer.from("reno");
    expect(buffers.setsockopt({ level: Level.Tcp, optname: TcpSocketOption.Congestion, value: reno }).errno).toBe(-1);
    const noDelay = { level: Level.Tcp, optname: TcpSocketOption.NoDelay, value: 1 };
    expect(buffers.setsockopt(noDelay)).toMatchObject({ errno: 0, handled: "kernel", value: int(1) });
    // A failure of the kernel's own stays one.
    expect(buffers.getsockopt({ ...sendBuffer, value: 1, retval: -92 })).toMatchObject({ errno: -92 });
  });
});
