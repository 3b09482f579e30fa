/**
 * Network namespaces, cgroups and peers for tests on the real kernel. Everything is named tsbpf-* and taken down by
 * `close`, newest first, whatever the test did.
 */
import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { cgroupRoot } from "../../runtime/kernel/places.ts";
import { probe } from "../../runtime/kernel/probe.ts";
import { repository } from "./repository.ts";

/** Why tests on the kernel cannot run here; undefined when they can. */
export function whyNot(): string | undefined {
  if (process.platform !== "linux") return "not Linux";
  if (process.getuid?.() !== 0) return "not root";
  if (cgroupRoot() === undefined) return "no cgroup2 mounted";
  const answer = probe("sock-ops");
  if (!answer.ok) return `no BPF: ${answer.reason}`;
  for (const tool of ["ip", "nsenter", "ss"])
    if (!["/usr/sbin", "/usr/bin", "/sbin", "/bin"].some((dir) => existsSync(join(dir, tool)))) return `no ${tool}`;
  return undefined;
}

export const sh = (file: string, ...args: string[]): string =>
  execFileSync(file, args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });
export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Waits until `look` gives something, at most `ms`; fails with `what` otherwise. */
export async function until<T>(
  what: string,
  look: () => T | undefined | false | Promise<T | undefined | false>,
  ms = 5000,
): Promise<T> {
  const end = Date.now() + ms;
  for (;;) {
    const found = await look();
    if (found !== undefined && found !== false) return found;
    if (Date.now() > end) throw new Error(`waited ${ms} ms in vain: ${what}`);
    await pause(10);
  }
}

export interface Peer {
  readonly pid: number;
  /** Ids of accepted connections, in order. */
  readonly accepted: number[];
  call<T = unknown>(name: string, args?: Readonly<Record<string, unknown>>): Promise<T>;
  stop(): void;
}
export interface Lab {
  readonly prefix: string;
  /** Makes a namespace and gives its full name. */
  netns(name: string): string;
  /** A veth pair between two namespaces: interface names and addresses with prefix length. */
  wire(
    a: string,
    aInterface: string,
    aAddresses: readonly string[],
    b: string,
    bInterface: string,
    bAddresses: readonly string[],
  ): void;
  cgroup(name: string): string;
  /** Mounts a BPF file system for pins, and gives its folder. */
  bpffs(): string;
  peer(netns: string, cgroup?: string): Promise<Peer>;
  /** Runs `ip -n NETNS …`. */
  ip(netns: string, ...args: string[]): string;
  /** Runs a command inside a namespace, with the host's view of files. */
  inside(netns: string, ...command: string[]): string;
  defer(step: () => void): void;
  close(): void;
}

let labs = 0;
export function openLab(): Lab {
  const prefix = `tsbpf-${process.pid}-${labs++}`;
  const steps: (() => void)[] = [];
  const root = cgroupRoot() ?? "";
  const ip = (netns: string, ...args: string[]): string => sh("ip", "-n", netns, ...args);
  return {
    prefix,
    ip,
    inside: (netns, ...command) => sh("nsenter", `--net=/run/netns/${netns}`, ...command),
    defer: (step) => void steps.push(step),
    netns(name) {
      const full = `${prefix}-${name}`;
      sh("ip", "netns", "add", full);
      steps.push(() => sh("ip", "netns", "del", full));
      ip(full, "link", "set", "lo", "up");
      return full;
    },
    wire(a, aInterface, aAddresses, b, bInterface, bAddresses) {
      sh("ip", "link", "add", aInterface, "netns", a, "type", "veth", "peer", "name", bInterface, "netns", b);
      for (const [netns, device, addresses] of [
        [a, aInterface, aAddresses],
        [b, bInterface, bAddresses],
      ] as const) {
        for (const address of addresses)
          ip(netns, "addr", "add", address, "dev", device, ...(address.includes(":") ? ["nodad"] : []));
        ip(netns, "link", "set", device, "up");
      }
    },
    bpffs() {
      const folder = mkdtempSync(join(tmpdir(), "tsbpf-bpffs-"));
      sh("mount", "-t", "bpf", "-o", "mode=0700", "bpf", folder);
      steps.push(() => {
        sh("umount", folder);
        rmSync(folder, { recursive: true });
      });
      return folder;
    },
    cgroup(name) {
      const path = join(root, `${prefix}-${name}`);
      mkdirSync(path);
      steps.push(() => removeCgroup(path));
      return path;
    },
    async peer(netns, cgroup) {
      const script = join(repository, "tests/runtime/peer.mjs");
      const enter = cgroup ? `echo $$ > ${cgroup}/cgroup.procs; ` : "";
      // The cgroup is joined first: inside a namespace made by `ip netns exec` it could not be seen.
      const child = spawn(
        "sh",
        ["-c", `${enter}exec nsenter --net=/run/netns/${netns} ${process.execPath} ${script}`],
        {
          stdio: ["ignore", "inherit", "inherit", "ipc"],
        },
      );
      const peer = talk(child);
      steps.push(() => peer.stop());
      await peer.ready;
      return peer;
    },
    close() {
      for (const step of steps.splice(0).toReversed()) {
        try {
          step();
        } catch (error) {
          process.stderr.write(`taking the lab down: ${String(error)}\n`);
        }
      }
    },
  };
}

/** A cgroup can be removed only when its last process is gone. */
function removeCgroup(path: string): void {
  for (let turn = 0; turn < 200; turn++) {
    try {
      rmdirSync(path);
      return;
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === "ENOENT") return;
      for (const pid of readFileSync(join(path, "cgroup.procs"), "utf8").split("\n").filter(Boolean)) {
        try {
          process.kill(Number(pid), "SIGKILL");
        } catch {
          // It is on its way out already.
        }
      }
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10);
    }
  }
  rmdirSync(path);
}

function talk(child: ChildProcess): Peer & { readonly ready: Promise<void> } {
  const waiting = new Map<number, { resolve: (value: unknown) => void; reject: (error: Error) => void }>();
  const accepted: number[] = [];
  let calls = 0;
  let isReady: () => void;
  let isDead: (error: Error) => void;
  const ready = new Promise<void>((resolve, reject) => {
    isReady = resolve;
    isDead = reject;
  });
  child.on(
    "message",
    (message: { ready?: boolean; accepted?: number; answer?: number; value?: unknown; error?: string }) => {
      if (message.ready) isReady();
      if (message.accepted !== undefined) accepted.push(message.accepted);
      if (message.answer === undefined) return;
      const call = waiting.get(message.answer);
      waiting.delete(message.answer);
      if (message.error !== undefined) call?.reject(new Error(message.error));
      else call?.resolve(message.value);
    },
  );
  child.on("exit", (code) => {
    isDead(new Error(`the peer ended with ${code}`));
    for (const call of waiting.values()) call.reject(new Error("the peer has ended"));
  });
  return {
    pid: child.pid ?? 0,
    accepted,
    ready,
    call<T>(name: string, args: Readonly<Record<string, unknown>> = {}) {
      const call = calls++;
      return new Promise<T>((resolve, reject) => {
        waiting.set(call, { resolve: resolve as (value: unknown) => void, reject });
        child.send({ call, name, args });
      });
    },
    stop: () => void child.kill("SIGKILL"),
  };
}
