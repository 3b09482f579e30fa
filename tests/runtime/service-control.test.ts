// The control socket against clients that mean harm, and what managers of services are told.
import { chmodSync, existsSync, fstatSync, lstatSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { closeFd } from "../../runtime/kernel/fd.ts";
import { RuntimeError } from "../../runtime/kernel/errors.ts";
import { syscalls } from "../../runtime/kernel/syscalls.ts";
import { ask } from "../../runtime/service/control-client.ts";
import { serveControl, type ControlServer } from "../../runtime/service/control-server.ts";
import { isJournal, journalText, plainText } from "../../runtime/service/log.ts";
import { notifier } from "../../runtime/service/notify.ts";
import { BOUNDS, requestIn, type Request } from "../../runtime/service/protocol.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "tsbpf-control-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

describe("a control socket", () => {
  let path: string;
  let server: ControlServer;
  let asked: Request[];
  const listen = (at: string): Promise<ControlServer> =>
    serveControl(
      at,
      (request) => {
        asked.push(request);
        if (request.command === "reload") throw new RuntimeError("bad-object", "wrong", { help: "mend it" });
        return { asked: request.command };
      },
      (error) => ({
        key: (error as RuntimeError).key,
        message: (error as Error).message,
        help: (error as RuntimeError).help,
      }),
    );
  beforeEach(async () => {
    asked = [];
    path = join(folder, "serve.sock");
    server = await listen(path);
  });
  afterEach(() => server.close());

  interface Client {
    readonly socket: Socket;
    readonly closed: Promise<string>;
  }
  const client = (): Promise<Client> =>
    new Promise((resolve, reject) => {
      const parts: Buffer[] = [];
      const socket = connect({ path }, () => resolve({ socket, closed }));
      const closed = new Promise<string>((done) => {
        socket.on("close", () => done(Buffer.concat(parts).toString()));
      });
      socket.on("data", (chunk) => parts.push(chunk));
      socket.on("error", reject);
    });
  const say = async (text: string | Buffer): Promise<string> => {
    const { socket, closed } = await client();
    socket.write(text);
    return closed;
  };
  const works = async (): Promise<void> => expect(await ask(path, { command: "list" })).toEqual({ asked: "list" });

  it("is root's alone, answers, and gives errors with key and help", async () => {
    expect(lstatSync(path).mode & 0o7777).toBe(0o600);
    await works();
    await expect(ask(path, { command: "reload" })).rejects.toMatchObject({
      key: "bad-object",
      message: "wrong",
      help: "mend it",
    });
  });

  it.each([
    ["nothing but a line", "\n", "the request is no JSON"],
    ["no JSON", "list\n", "the request is no JSON"],
    ["bytes", Buffer.concat([Buffer.from([0, 255, 254, 7, 27]), Buffer.from("\n")]), "the request is no JSON"],
    ["a deep nest", `${"[".repeat(60_000)}\n`, "the request is no JSON"],
    ["another value", "null\n", "the request is no object"],
    ["no command", '{"command":"__proto__"}\n', "the commands are list, show, reload and stop"],
    ["a name that is none", '{"command":"show","name":{}}\n', "show takes a name"],
    [
      "more than is taken, with an end",
      `${"x".repeat(BOUNDS.requestBytes + 1)}\n`,
      "a request has 65536 bytes at most",
    ],
    ["more than is taken, without", "x".repeat(4 * BOUNDS.requestBytes), "a request has 65536 bytes at most"],
  ])("refuses %s", async (_, text, message) => {
    expect(JSON.parse(await say(text))).toEqual({ ok: false, error: { key: "bad-argument", message } });
    expect(asked).toEqual([]);
    await works();
  });

  it("hears one request of a connection, in whatever pieces it comes", async () => {
    const { socket, closed } = await client();
    for (const piece of ['{"comm', 'and":"li', 'st"}', '\n{"command":"stop"}\n']) {
      socket.write(piece);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    expect(JSON.parse(await closed)).toEqual({ ok: true, value: { asked: "list" } });
    expect(asked).toEqual([{ command: "list" }]);
  });

  it("does not wait for who says nothing, or not enough, and serves others meanwhile", async () => {
    const slow = await client();
    const drip = setInterval(() => slow.socket.write(" "), 100);
    await works();
    expect(JSON.parse(await slow.closed)).toMatchObject({ error: { message: "the request took too long" } });
    clearInterval(drip);
    await works();
  }, 30_000);

  it("has room for so many at a time, and for the next when one is gone", async () => {
    const waiting = await Promise.all(Array.from({ length: BOUNDS.clients }, client));
    const one = await client();
    expect(JSON.parse(await one.closed)).toMatchObject({
      error: { message: expect.stringContaining("too many clients") },
    });
    for (const { socket } of waiting) socket.destroy();
    await Promise.all(waiting.map(({ closed }) => closed));
    await works();
  });

  it("is not hurt by who goes away at any moment, or does not read", async () => {
    for (let turn = 0; turn < 50; turn++) {
      const { socket } = await client();
      socket.write(turn % 2 === 0 ? '{"command":"list"}\n' : '{"command"');
      if (turn % 3 === 0) socket.end();
      else socket.destroy();
    }
    const deaf = await client();
    deaf.socket.pause();
    deaf.socket.write('{"command":"list"}\n');
    await works();
    deaf.socket.destroy();
    // One that is held open keeps no server from its end.
    const open = await client();
    await server.close();
    expect(existsSync(path)).toBe(false);
    open.socket.destroy();
    server = await listen(path);
  }, 30_000);

  it("takes the place of a socket that was left, and of nothing else", async () => {
    await server.close();
    const left = createServer().listen(path);
    await new Promise((resolve) => left.once("listening", resolve));
    // As SIGKILL leaves it: nobody answers there.
    left.unref();
    server = await listen(path);
    await works();
    left.close();
    const file = join(folder, "file");
    writeFileSync(file, "mine");
    expect(() => listen(file)).toThrow(`${file} is no socket`);
    expect(() => listen(join(folder, "x".repeat(120)))).toThrow("too long");
    chmodSync(folder, 0o777);
    expect(() => listen(join(folder, "open.sock"))).toThrow(`below ${folder}, which others may change`);
    chmodSync(folder, 0o700);
  });

  it("tells who asks where nobody answers", async () => {
    await expect(ask(join(folder, "none"), { command: "list" })).rejects.toMatchObject({ key: "not-found" });
    const mute = createServer((socket) => socket.destroy()).listen(join(folder, "mute"));
    await new Promise((resolve) => mute.once("listening", resolve));
    await expect(ask(join(folder, "mute"), { command: "list" })).rejects.toMatchObject({
      key: expect.stringMatching(/ended|not-found/),
    });
    mute.close();
  });
});

it("requests are what they are, whatever else is in them", () => {
  expect(requestIn('{"command":"stop","detach":"yes","more":1}')).toEqual({ command: "stop", detach: false });
  expect(requestIn('{"command":"show","name":"web"}')).toEqual({ command: "show", name: "web" });
});

describe("lines of the log", () => {
  it("have their level before each line in the journal, and none for people where all is well", () => {
    const entry = { level: "warning", program: "web", connection: "0000002a", text: "one\ntwo" } as const;
    expect(journalText(entry)).toBe("<4>web: 0000002a: one\n<4>two");
    expect(plainText(entry)).toBe("warning: web: 0000002a: one\ntwo");
    expect(plainText({ level: "info", text: "one" })).toBe("one");
  });

  it("go to the journal where standard error does", () => {
    const fd = openSync(join(folder, "stream"), "w");
    const { dev, ino } = fstatSync(fd, { bigint: true });
    expect(isJournal(`${dev}:${ino}`, fd)).toBe(true);
    expect(isJournal(`${dev}:${ino + 1n}`, fd)).toBe(false);
    expect([isJournal(undefined, fd), isJournal("nonsense", fd)]).toEqual([false, false]);
    closeFd(fd);
  });
});

describe("sd_notify", () => {
  /** A datagram socket at an address, and what comes to it. */
  function manager(address: Buffer): { take(): string; close(): void } {
    const calls = syscalls();
    const fd = calls.socket(1, 2 | 0x80000 | 0x800, 0);
    const bytes = Buffer.concat([Buffer.from([1, 0]), address]);
    expect(calls.bind(fd, bytes)).toBe(0);
    return {
      take() {
        const into = new Uint8Array(4096);
        const length = calls.receive(fd, into, 0);
        return length < 0 ? `errno ${-length}` : Buffer.from(into.subarray(0, length)).toString();
      },
      close: () => closeFd(fd),
    };
  }

  it.each([
    ["a path", (): [string, Buffer] => [join(folder, "notify"), Buffer.from(`${join(folder, "notify")}\0`)]],
    ["an abstract address", (): [string, Buffer] => [`@tsbpf-${process.pid}`, Buffer.from(`\0tsbpf-${process.pid}`)]],
  ])("goes to %s", (_, make) => {
    const [name, address] = make();
    const { take, close } = manager(address);
    const env: NodeJS.ProcessEnv = { NOTIFY_SOCKET: name, WATCHDOG_USEC: "2000000", WATCHDOG_PID: String(process.pid) };
    const notify = notifier(env);
    expect([notify.watchdogMs, env]).toEqual([2000, {}]);
    notify.send({ READY: 1, STATUS: "two\nlines\nMAINPID=1" });
    expect(take()).toBe("READY=1\nSTATUS=two lines MAINPID=1");
    close();
    notify.send({ STOPPING: 1 });
  });

  it("goes nowhere where nobody asked, and the watchdog of another process is not ours", () => {
    notifier({}).send({ READY: 1 });
    expect(notifier({}).watchdogMs).toBeUndefined();
    expect(notifier({ NOTIFY_SOCKET: "relative", WATCHDOG_USEC: "1000" }).watchdogMs).toBeUndefined();
    expect(notifier({ NOTIFY_SOCKET: "@x", WATCHDOG_USEC: "1000", WATCHDOG_PID: "1" }).watchdogMs).toBeUndefined();
  });
});
