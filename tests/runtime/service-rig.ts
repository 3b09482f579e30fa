/** A bpffs, a folder and services for tests of `tsbpf serve`. */
import { mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "vitest";
import type { Service } from "tsbpf/config";
import { allLinks, allPrograms } from "../../runtime/kernel/info.ts";
import { start, tsbpf, type Finished, type Running } from "./command.ts";
import type { Lab } from "./lab.ts";

/** An option on every segment, with the version that wrote it. */
export const EVERY = (more = ""): string => `
import { license, param, struct, u8 } from "tsbpf";
import { tcpOption } from "tsbpf/tcp";
license("GPL");
export const version = param(u8, 1);
class Mark extends struct({ version: u8 }) {}
${more}
export const every = tcpOption({
  kind: 250,
  payload: Mark,
  connecting(conn) { conn.startWriting(); },
  listening(conn) { conn.startWriting(); },
  established(conn) { conn.startWriting(); },
  write(conn, option) { option.version = version; },
});
`;
export const MARK = 250;

export interface Rig {
  readonly folder: string;
  readonly pins: string;
  readonly socket: string;
  /** Writes a file beside the service's, and gives its path. */
  write(name: string, text: string): string;
  /** Builds a source to an object beside it. */
  build(name: string, source: string): void;
  /** Writes the service's file. */
  says(service: Omit<Service, "pins" | "socket">): void;
  /** Starts the service and waits until all runs. */
  serve(...more: string[]): Promise<Running>;
  /** Asks it, or runs another command of the group. */
  ask(...args: string[]): Finished;
  list(): { name: string; state: string; at: string; digest: string }[];
  attached(cgroup: string): string[];
  /** Ends what runs, and all that is left. */
  clean(): void;
}

export function openRig(lab: Lab): Rig {
  const folder = mkdtempSync(join(tmpdir(), "tsbpf-serve-"));
  lab.defer(() => rmSync(folder, { recursive: true, force: true }));
  const bpffs = lab.bpffs();
  const [pins, socket, file] = [join(bpffs, "tsbpf"), join(folder, "run/serve.sock"), join(folder, "service.json")];
  const write = (name: string, text: string): string => {
    mkdirSync(join(folder, name, ".."), { recursive: true });
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  const ask = (...args: string[]): Finished => tsbpf(["serve", ...args, "--socket", socket]);
  return {
    folder,
    pins,
    socket,
    write,
    build(name, source) {
      const path = write(`source/${name}.ts`, source);
      expect(tsbpf(["build", path, "-o", folder])).toMatchObject({ code: 0, err: "" });
    },
    says: (service) => void write("service.json", JSON.stringify({ ...service, pins, socket })),
    async serve(...more) {
      const running = start(["serve", file, ...more]);
      await Promise.race([
        running.line(/^serving/),
        running.ended.then(() => {
          throw new Error(`the service has ended: ${running.errors.join("\n")}`);
        }),
      ]);
      return running;
    },
    ask,
    list: () => (JSON.parse(ask("list", "--json").out) as { programs: ReturnType<Rig["list"]> }).programs,
    attached(cgroup) {
      const names = new Map([...allPrograms()].map((program) => [program.id, program.name]));
      const id = BigInt(statSync(cgroup).ino);
      return [...allLinks()].filter((link) => link.cgroupId === id).map((link) => names.get(link.programId) ?? "?");
    },
    clean() {
      tsbpf(["detach", "--all", "--pins", pins]);
    },
  };
}
