// Names of network namespaces and sockets that lead nowhere, elsewhere, or to others: one clear error each, and nothing left behind.
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import {
  closeSync,
  existsSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, describe, expect, it } from "vitest";
import { load, socketOf, type LoadedObject } from "../../runtime/api.ts";
import { RuntimeError } from "../../runtime/kernel/errors.ts";
import { mapInfo } from "../../runtime/kernel/info.ts";
import { makeNetns } from "../../runtime/kernel/made.ts";
import { inNetns, netnsName } from "../../runtime/kernel/places.ts";
import { openNetns } from "../../runtime/kernel/netns-names.ts";
import { start, stopAll, tsbpf } from "./command.ts";
import { compiled } from "./compiled.ts";
import { openLab, sh, until, whyNot, type Lab } from "./lab.ts";

const skip = whyNot();
const NETNS = "/run/netns";
const PATH = "give a path like /proc/PID/ns/net";
const LIST = `ip netns list shows the names; or ${PATH}`;
interface Said {
  readonly key: string;
  readonly message: string;
  readonly help: string | undefined;
}
const saidOf = (run: () => unknown): Said | undefined => {
  try {
    run();
    return undefined;
  } catch (error) {
    if (!(error instanceof RuntimeError)) throw error;
    const { key, message, help } = error;
    return { key, message, help };
  }
};
const descriptors = (): readonly string[] => readdirSync("/proc/self/fd");
const claims = (): readonly string[] => (existsSync("/run/tsbpf") ? readdirSync("/run/tsbpf") : []);

describe.skipIf(skip)(skip ? `hostile places (skipped: ${skip})` : "hostile places", () => {
  let lab: Lab;
  let folder: string;
  let own: string;
  const children: ChildProcess[] = [];
  beforeAll(() => {
    lab = openLab();
    own = lab.netns("a");
    folder = mkdtempSync(join(tmpdir(), "tsbpf-places-"));
    lab.defer(() => rmSync(folder, { recursive: true, force: true }));
  });
  afterAll(() => lab?.close());
  afterEach(() => {
    stopAll();
    for (const child of children.splice(0)) child.kill("SIGKILL");
  });
  /** A process, in the lab's namespace unless said. */
  const sleeper = async (...enter: string[]): Promise<ChildProcess> => {
    const child = spawn("nsenter", [...(enter.length > 0 ? enter : [`--net=${NETNS}/${own}`]), "sleep", "1000"], {
      stdio: "ignore",
    });
    children.push(child);
    await until("it sleeps", () => readFileSync(`/proc/${child.pid}/comm`, "utf8") === "sleep\n");
    return child;
  };
  const end = async (child: ChildProcess): Promise<void> => {
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGKILL");
    await ended;
  };
  /** Puts something into /run/netns, until the test is over. */
  const planted = (name: string, put: (path: string) => void): string => {
    const full = `${lab.prefix}-${name}`;
    const path = join(NETNS, full);
    put(path);
    lab.defer(() => rmSync(path, { recursive: true, force: true }));
    return full;
  };

  describe("names of network namespaces", () => {
    const wrong = (name: string): Said | undefined => {
      const before = descriptors();
      const said = saidOf(() => inNetns(name, () => "inside"));
      expect(descriptors(), name).toEqual(before);
      return said;
    };
    it.each<readonly [string, string, string]>([
      ["", "the name of the network namespace is empty", LIST],
      [".", "no such network namespace: .", LIST],
      ["..", "no such network namespace: ..", LIST],
      ["tsbpf-absent", "no such network namespace: tsbpf-absent", `ip netns add tsbpf-absent; or ${PATH}`],
      ["a\nb", "no such network namespace: a b", LIST],
      ["a\0b", "no such network namespace: a\ufffdb", LIST],
      ["\x1b[31m", "no such network namespace: \ufffd[31m", LIST],
      ["; rm -r x", "no such network namespace: ; rm -r x", LIST],
      [
        "x".repeat(5000),
        `no such network namespace: ${"x".repeat(5000)}`,
        `ip netns add ${"x".repeat(5000)}; or ${PATH}`,
      ],
      ["no/such/path", "no such network namespace: no/such/path", PATH],
      ["/etc/passwd/x", "no such network namespace: /etc/passwd/x", PATH],
      ["/", "/ is not a network namespace", PATH],
      ["/etc/passwd", "/etc/passwd is not a network namespace", PATH],
      ["/dev/null", "/dev/null is not a network namespace", PATH],
      ["/proc/self/ns/mnt", "/proc/self/ns/mnt is not a network namespace", PATH],
      ["99999999", "there is no process 99999999, and no network namespace of that name", LIST],
      ["0", "there is no process 0, and no network namespace of that name", LIST],
    ])("%j", (name, message, help) => {
      expect(wrong(name)).toEqual({ key: "no-netns", message, help });
    });

    it("links in /run/netns: what they lead to counts, and the remedy unmounts nothing", () => {
      const links = {
        file: "/etc/passwd",
        folder: "/",
        "other-kind": "/proc/self/ns/mnt",
      };
      for (const [kind, target] of Object.entries(links)) {
        const name = planted(kind, (path) => symlinkSync(target, path));
        expect(wrong(name), kind).toEqual({
          key: "no-netns",
          message: `${NETNS}/${name} is not a network namespace`,
          help: `rm ${NETNS}/${name} && ip netns add ${name}`,
        });
      }
      const nowhere = planted("nowhere", (path) => symlinkSync("/nowhere", path));
      const circle = planted("circle", (path) => symlinkSync(path, path));
      for (const name of [nowhere, circle])
        expect(wrong(name)).toEqual({
          key: "no-netns",
          message: `${NETNS}/${name} is a link that leads to nothing`,
          help: `rm ${NETNS}/${name} && ip netns add ${name}`,
        });
      // As `ip netns add` leaves it when it is killed.
      const half = planted("half", (path) => writeFileSync(path, ""));
      expect(wrong(half)).toMatchObject({ help: `ip netns del ${half} && ip netns add ${half}` });
      const pipe = planted("pipe", (path) => void sh("mkfifo", path));
      expect(wrong(pipe)).toMatchObject({ message: `${NETNS}/${pipe} is not a network namespace` });
      // A link to a namespace is a name for it, also behind one that leads to nothing.
      const link = planted("z-link", (path) => symlinkSync(`${NETNS}/${own}`, path));
      const inode = (name: string): string => inNetns(name, () => sh("readlink", "/proc/self/ns/net"));
      expect(inode(link)).toBe(inode(own));
      const spare = lab.netns("zz");
      expect(netnsName(BigInt(/\d+/.exec(inode(spare))![0]))).toBe(spare);
    });

    it("--make takes over nothing that is there, and leaves it there", () => {
      const make = (name: string): Said | undefined =>
        saidOf(() => makeNetns(name, { program: "test", say: () => undefined, warn: () => undefined })());
      const link = planted("make-link", (path) => symlinkSync("/nowhere", path));
      expect(make(link)).toMatchObject({ message: `${NETNS}/${link} is a link that leads to nothing` });
      const file = planted("make-file", (path) => writeFileSync(path, "precious"));
      expect(make(file)).toMatchObject({ message: `${NETNS}/${file} is not a network namespace` });
      expect(readFileSync(`${NETNS}/${file}`, "utf8")).toBe("precious");
      for (const name of ["", ".", "..", "a/b", "../x", "a\nb", "12"])
        expect(make(name), name).toMatchObject({ key: "bad-argument" });
    });

    it("a number is a process or a name, and where it is both the user says which", async () => {
      const { pid } = await sleeper();
      const inside = (name: string): string => inNetns(name, () => sh("readlink", "/proc/self/ns/net"));
      expect(inside(`${pid}`)).toBe(inside(own));
      sh("ip", "netns", "add", `${pid}`);
      try {
        expect(wrong(`${pid}`)).toEqual({
          key: "no-netns",
          message: `${pid} is a process, and the name of a network namespace`,
          help: `say which: ${NETNS}/${pid} or /proc/${pid}/ns/net`,
        });
        expect(inside(`/proc/${pid}/ns/net`)).toBe(inside(own));
        expect(inside(`${NETNS}/${pid}`)).not.toBe(inside(own));
        await end(children.pop()!);
        expect(inside(`${pid}`)).toBe(inside(`${NETNS}/${pid}`));
      } finally {
        sh("ip", "netns", "del", `${pid}`);
      }
    });

    it("a process that has ended, and one that nobody has waited for", async () => {
      const child = await sleeper();
      const fd = openNetns(`${child.pid}`);
      await end(child);
      expect(wrong(`${child.pid}`)).toEqual({
        key: "no-netns",
        message: `there is no process ${child.pid}, and no network namespace of that name`,
        help: LIST,
      });
      // What was opened by its number stays what it was.
      closeSync(fd);
      const zombie = spawn("sh", ["-c", "sleep 0.05 & echo $!; exec sleep 1000"], {
        stdio: ["ignore", "pipe", "ignore"],
      });
      children.push(zombie);
      const pid = await new Promise<string>((resolve) =>
        zombie.stdout.once("data", (text) => resolve(String(text).trim())),
      );
      await until("it is a zombie", () => readFileSync(`/proc/${pid}/stat`, "utf8").includes(") Z "));
      expect(wrong(pid)).toMatchObject({ key: "no-netns", help: LIST });
    });

    it("another user's process: who may not look is told so", async () => {
      const { pid } = await sleeper();
      const as = { uid: 65534, gid: 65534 };
      const shown = tsbpf(["show", "--netns", `${pid}`, "--for", "0.01"], as);
      expect(shown).toMatchObject({ code: 1, out: "" });
      expect(shown.err).toBe(
        `error[not-permitted]: opening /proc/${pid}/ns/net: EACCES\n  help: run as root, with CAP_SYS_PTRACE\n`,
      );
    });

    it("the command says the same, and leaves nothing behind", () => {
      const before = claims();
      const name = planted("command", (path) => symlinkSync("/etc", path));
      for (const [given, message] of [
        ["", "the name of the network namespace is empty"],
        ["a\nb", "no such network namespace: a b"],
        [name, `${NETNS}/${name} is not a network namespace`],
      ] as const)
        for (const command of [
          ["run", "programs/ndiffports.ts", "--backend", "netlink", "--for", "0.1"],
          ["show", "--for", "0.01"],
        ]) {
          const { code, err } = tsbpf([...command, "--netns", given]);
          expect(code, command.join(" ")).toBe(1);
          expect(err.split("\n").filter((line) => line.startsWith("error"))).toEqual([`error[no-netns]: ${message}`]);
          expect(err).toMatch(/\n {2}help: [^\n]+\n$/);
        }
      expect(claims()).toEqual(before);
    });

    it("a path manager that was given a process: what a kill leaves is put back although the process is gone", async () => {
      const sysctl = (): string => lab.inside(own, "cat", "/proc/sys/net/mptcp/pm_type").trim();
      const scene = lab.netns("unnamed");
      const chosen = (path: string): string =>
        sh("nsenter", `--net=${path}`, "cat", "/proc/sys/net/mptcp/pm_type").trim();
      const [first, second] = [await sleeper(`--net=${NETNS}/${scene}`), await sleeper(`--net=${NETNS}/${scene}`)];
      // From now on the namespace has no name, and lives by its processes.
      sh("ip", "netns", "del", scene);
      sh("ip", "netns", "add", scene);
      const before = chosen(`/proc/${second.pid}/ns/net`);
      const running = start(["run", "programs/ndiffports.ts", "--backend", "netlink", "--netns", `${first.pid}`]);
      await running.line(/path manager for/, 30_000);
      expect(chosen(`/proc/${second.pid}/ns/net`)).toBe("1");
      await running.stop("SIGKILL");
      await end(first);
      const { out, err } = tsbpf([
        "run",
        "programs/ndiffports.ts",
        "--backend",
        "netlink",
        "--netns",
        own,
        "--for",
        "0.1",
      ]);
      expect(out + err).toContain("was killed");
      expect(chosen(`/proc/${second.pid}/ns/net`)).toBe(before);
      expect(sysctl()).toBe("0");
    }, 60_000);
  });

  describe("sockets of processes", () => {
    let object: LoadedObject;
    beforeAll(() => {
      object = load(compiled("trace-context", "mainline"));
      lab.defer(() => object.close());
    });
    const wrong = (pid: number, fd: number): Said | undefined => {
      const before = descriptors();
      const said = saidOf(() => socketOf(pid, fd).close());
      expect(descriptors()).toEqual(before);
      return said;
    };
    const HELP = "ss -tnp lists sockets with the process and the descriptor of each";

    it("descriptors that are no socket", async () => {
      const { pid } = await sleeper();
      const file = openSync("/etc/passwd", "r");
      for (const [process_, fd] of [
        [pid!, 0],
        [process.pid, file],
      ] as const)
        expect(wrong(process_, fd)).toEqual({
          key: "bad-value",
          message: `descriptor ${fd} of process ${process_} is no socket`,
          help: HELP,
        });
      closeSync(file);
    });

    it("processes that are none: ended, a zombie, a thread, the number 0", async () => {
      const child = await sleeper();
      await end(child);
      expect(wrong(child.pid!, 0)).toEqual({
        key: "not-found",
        message: `there is no process ${child.pid}`,
        help: HELP,
      });
      expect(wrong(0, 0)).toMatchObject({ key: "not-found", message: "there is no process 0" });
      const threads = readdirSync("/proc/self/task").map(Number);
      const thread = threads.find((one) => one !== process.pid)!;
      expect(wrong(thread, 0)).toEqual({
        key: "not-found",
        message: `${thread} is a thread and no process`,
        help: `it is one of process ${process.pid}`,
      });
      expect(wrong(process.pid, 999_999_999)).toMatchObject({ key: "not-found", help: HELP });
    });

    it("another user's process, and keys that are none, by the command", async () => {
      const { pid } = await sleeper();
      const number = mapInfo(object.maps["outgoing"]!.fd).id;
      const theirs = spawnSync(
        "setpriv",
        [
          "--reuid",
          "65534",
          "--clear-groups",
          process.execPath,
          "-e",
          `require("fs").readlinkSync("/proc/${pid}/fd/0")`,
        ],
        { encoding: "utf8" },
      );
      expect(theirs.stderr).toContain("EACCES");
      for (const [key, message] of [
        [`${pid}:0`, `error[bad-value]: descriptor 0 of process ${pid} is no socket`],
        [`${pid}:77`, `error[not-found]: process ${pid} has no descriptor 77`],
        [`99999999:0`, "error[not-found]: there is no process 99999999"],
        ["-1:0", "error[bad-value]: key: -1:0 is no socket"],
        ["1\n:0", "error[bad-value]: key: 1 :0 is no socket"],
        ["1:0:0", "error[bad-value]: key: 1:0:0 is no socket"],
        ["1:99999999999999999999", "error[bad-value]: key: 1:99999999999999999999 is no socket"],
      ] as const) {
        const { code, err } = tsbpf(["map", "get", `id:${number}`, "--", key]);
        expect(err.split("\n")[0], key).toBe(message);
        expect(err, key).toContain("\n  help: ");
        expect(code, key).toBe(1);
      }
    });
  });
});
