// Output that cannot be written: the commands that talk to the kernel end in order, and `run` leaves nothing behind.
import { spawn } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Command } from "commander";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { allLinks, allPrograms } from "../../runtime/api.ts";
import { registerRuntimeCommands } from "../../runtime/cli/register.ts";
import { leaves } from "../cli/leaves.ts";
import { fault, lost, noScript, ways } from "../cli/lost-output.ts";
import { start, tsbpf } from "./command.ts";
import { openLab, pause, until, whyNot, type Lab } from "./lab.ts";
import { repository } from "./repository.ts";

interface Places {
  readonly folder: string;
  readonly pins: string;
  readonly cgroup: string;
  readonly netns: string;
  /** Names of what --make makes. */
  readonly made: string;
}
interface Row {
  readonly args: (places: Places) => readonly string[];
  /** What is pinned as "quiet" when it starts; by default it is. */
  readonly pinned?: boolean;
  /** A service runs when it starts. */
  readonly served?: true;
}
const object = (places: Places): string => join(places.folder, "quiet.o");
const pins = (places: Places): readonly string[] => ["--pins", places.pins];

/** None of them ends by itself where it waits for an end: lost output is what ends it. */
const RUNS: readonly Row[] = [
  {
    pinned: false,
    args: (at) => ["run", object(at), "--cgroup", at.made, "--netns", at.made, "--make", "--pin", "lost", ...pins(at)],
  },
  { args: (at) => ["run", object(at), "--cgroup", at.cgroup, "--json", ...pins(at)] },
  { args: (at) => ["run", "programs/ndiffports.ts", "--backend", "netlink", "--netns", at.netns] },
];
const service = (places: Places): string => join(places.folder, "service.json");
const socket = (places: Places): readonly string[] => ["--socket", join(places.folder, "run/serve.sock")];
/** By command, as registered; each says something. */
const ROWS: Readonly<Record<string, readonly Row[]>> = {
  run: RUNS,
  load: [{ pinned: false, args: (at) => ["load", object(at), "--cgroup", at.cgroup, ...pins(at)] }],
  list: [{ args: (at) => ["list", ...pins(at)] }, { args: (at) => ["list", "--json", ...pins(at)] }],
  show: [{ args: (at) => ["show", "quiet", "--for", "0.1", ...pins(at)] }],
  metrics: [{ args: (at) => ["metrics", ...pins(at)] }],
  "map get": [{ args: (at) => ["map", "get", "quiet/table", "1", ...pins(at)] }],
  "map set": [{ args: (at) => ["map", "set", "quiet/table", "1", "2", "--json", ...pins(at)] }],
  "map delete": [{ args: (at) => ["map", "delete", "quiet/table", "1", "--json", ...pins(at)] }],
  "map dump": [{ args: (at) => ["map", "dump", "quiet/table", ...pins(at)] }],
  trace: [{ args: (at) => ["trace", "quiet", "--json", ...pins(at)] }],
  detach: [{ args: (at) => ["detach", "quiet", ...pins(at)] }],
  doctor: [{ args: (at) => ["doctor", "--json", ...pins(at)] }],
  "serve start": [
    { pinned: false, args: (at) => ["serve", service(at), ...pins(at), ...socket(at)] },
    { pinned: false, args: (at) => ["serve", service(at), "--json", ...pins(at), ...socket(at)] },
  ],
  "serve check": [{ args: (at) => ["serve", "check", service(at)] }],
  "serve unit": [{ args: (at) => ["serve", "unit", service(at)] }],
  "serve list": [{ pinned: false, served: true, args: (at) => ["serve", "list", ...socket(at)] }],
  "serve show": [{ pinned: false, served: true, args: (at) => ["serve", "show", "quiet", ...socket(at)] }],
  "serve reload": [{ pinned: false, served: true, args: (at) => ["serve", "reload", ...socket(at)] }],
  "serve stop": [{ pinned: false, served: true, args: (at) => ["serve", "stop", ...socket(at)] }],
};
const SOURCE = `
import { HashMap, license, u32 } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
export const table = new HashMap({ key: u32, value: u32, maxEntries: 8 });
export const quiet = sockOps((ctx) => {
  table.set(1, ctx.localPort);
  return 1;
});
`;

it("there is a row for every command that talks to the kernel", () => {
  const program = new Command();
  registerRuntimeCommands(program, () => undefined);
  expect(Object.keys(ROWS).toSorted()).toEqual(leaves(program).toSorted());
});

const skip = whyNot();
describe.skipIf(skip)(skip ? `lost output (skipped: ${skip})` : "lost output", () => {
  let lab: Lab;
  let at: Places;
  let before: string;
  beforeAll(() => {
    lab = openLab();
    const folder = mkdtempSync(join(tmpdir(), "tsbpf-lost-"));
    lab.defer(() => rmSync(folder, { recursive: true, force: true }));
    const bpffs = lab.bpffs();
    const cgroup = lab.cgroup("lost");
    at = { folder, pins: join(bpffs, "tsbpf"), cgroup, netns: lab.netns("lost"), made: `${lab.prefix}-made` };
    writeFileSync(join(folder, "quiet.ts"), SOURCE);
    expect(tsbpf(["build", join(folder, "quiet.ts"), "-o", folder])).toMatchObject({ code: 0, err: "" });
    writeFileSync(service(at), JSON.stringify({ programs: { quiet: { file: "quiet.o", cgroup } } }));
    before = manager();
  });
  afterAll(() => lab?.close());

  const manager = (): string => lab.inside(at.netns, "sysctl", "-n", "net.mptcp.pm_type");
  const prepare = ({ pinned = true }: Row): void => {
    tsbpf(["detach", "--all", "--pins", at.pins]);
    if (!pinned) return;
    expect(tsbpf(["load", object(at), "--pins", at.pins]).code).toBe(0);
    expect(tsbpf(["map", "set", "quiet/table", "1", "2", "--pins", at.pins]).code).toBe(0);
  };
  /** What a run has left behind. */
  function left({ pinned = true }: Row): readonly string[] {
    const id = BigInt(statSync(at.cgroup).ino);
    const objects = join(at.pins, "objects");
    const names = existsSync(objects) ? readdirSync(objects) : [];
    const records = process.env["TSBPF_RUN_DIR"] ?? "/run/tsbpf";
    return [
      ...[...allLinks()].filter((link) => link.cgroupId === id).map((link) => `link ${link.id}`),
      ...names.filter((name) => !pinned || name !== "quiet").map((name) => `pin ${name}`),
      ...[join(at.cgroup, "..", at.made), `/run/netns/${at.made}`].filter((path) => existsSync(path)),
      ...(manager() === before ? [] : [`path manager ${manager()}`]),
      ...(existsSync(records) ? readdirSync(records).map((name) => `record ${name}`) : []),
    ];
  }
  /** The one line, warnings about the machine aside. */
  const lines = (stderr: string): readonly string[] =>
    stderr.split("\n").filter((line) => line !== "" && !line.startsWith("warning: "));

  it("load --replace that nobody can know of leaves all as it was, wherever it was attached", async () => {
    const other = lab.cgroup("other");
    const objects = join(at.pins, "objects/quiet");
    const state = (): unknown => {
      const { attached } = JSON.parse(tsbpf(["list", "--json", "--pins", at.pins]).out) as {
        attached: { object: string | null }[];
      };
      return {
        attached: attached.filter((one) => one.object === "quiet"),
        pins: ["links", "maps", "programs"].map((kind) => readdirSync(join(objects, kind))),
        shown: JSON.parse(tsbpf(["show", "quiet", "--for", "0.1", "--json", "--pins", at.pins]).out) as unknown,
        value: tsbpf(["map", "get", "quiet/table", "1", "--pins", at.pins]).out,
      };
    };
    prepare({ pinned: false, args: () => [] });
    expect(tsbpf(["load", object(at), "--cgroup", at.cgroup, "--pins", at.pins]).code).toBe(0);
    expect(tsbpf(["map", "set", "quiet/table", "1", "77", "--pins", at.pins]).code).toBe(0);
    const first = state();
    expect(first).toMatchObject({ attached: [{ cgroup: at.cgroup }], value: "77\n" });
    for (const more of [[], ["--cgroup", other]]) {
      const args = ["load", object(at), "--replace", ...more, "--pins", at.pins];
      expect((await lost("both streams on a full disk", args)).code).toBe(1);
      expect(state()).toEqual(first);
    }
    const told = await lost("a full disk", ["load", object(at), "--replace", "--cgroup", other, "--pins", at.pins]);
    expect(told.stderr).toContain(`took the place of what was pinned, attached to ${other}`);
    expect(state()).toMatchObject({ attached: [{ cgroup: other }], value: "77\n" });
  }, 120_000);

  it("detach that cannot tell says what is removed beside the loss", async () => {
    prepare({ args: () => [] });
    const { code, stderr } = await lost("a full disk", ["detach", "quiet", "--pins", at.pins]);
    expect(code).toBe(1);
    expect(stderr).toBe(
      "error[output-lost]: standard output: no space left on the device; removed all the same: quiet\n",
    );
  });

  describe.skipIf(noScript)(`a terminal that closes under a run${noScript ? ` (skipped: ${noScript})` : ""}`, () => {
    /** Starts `run` as the first process of a terminal, and closes that when the program is attached. Gives its number. */
    async function closing(row: Row, before = "", after = ""): Promise<number> {
      const file = join(at.folder, "pid");
      const words = row.args(at).map((word) => `'${word}'`);
      writeFileSync(
        join(at.folder, "run.sh"),
        `echo $$ >${file}; exec ${before} ${join(repository, "bin/tsbpf")} ${words.join(" ")} ${after}\n`,
      );
      const terminal = spawn("script", ["-qc", `exec sh ${join(at.folder, "run.sh")}`, "/dev/null"], {
        cwd: repository,
        stdio: ["pipe", "ignore", "ignore"],
      });
      await until("it is attached", () => attached() > 0, 20_000);
      terminal.kill("SIGKILL");
      return Number(readFileSync(file, "utf8"));
    }
    const attached = (): number => [...allPrograms()].filter((program) => program.name === "quiet").length;
    const hasEnded = (pid: number): boolean => !existsSync(`/proc/${pid}`);

    it("ends it in order, and nothing stays", async () => {
      const row = RUNS[0]!;
      prepare(row);
      const pid = await closing(row);
      await until("it has ended", () => hasEnded(pid), 20_000);
      expect(left(row)).toEqual([]);
      expect(attached()).toBe(0);
    }, 60_000);

    it("does not end one that nohup(1) has started", async () => {
      const row = RUNS[0]!;
      prepare(row);
      const pid = await closing(row, "nohup", `>${join(at.folder, "nohup.out")} 2>&1 </dev/null`);
      await pause(1000);
      expect(hasEnded(pid)).toBe(false);
      expect(attached()).toBe(1);
      process.kill(pid, "SIGTERM");
      await until("it has ended", () => hasEnded(pid), 20_000);
      expect(readFileSync(join(at.folder, "nohup.out"), "utf8")).toMatch(/^detached$/m);
      expect(left(row)).toEqual([]);
    }, 60_000);
  });

  describe.each(ways)("%s", (way) => {
    const noTool = way === "a closed terminal" ? noScript : undefined;
    it.skipIf(noTool).each(Object.keys(ROWS))(
      `%s ends in order${noTool ? ` (skipped: ${noTool})` : ""}`,
      async (command) => {
        for (const row of ROWS[command]!) {
          prepare(row);
          const serving = row.served ? start(["serve", service(at), ...pins(at), ...socket(at)]) : undefined;
          await serving?.line(/^serving/);
          const args = row.args(at);
          const ended = await lost(way, args);
          await serving?.stop();
          expect(fault(way, ended), args.join(" ")).toBeUndefined();
          expect(lines(ended.stderr).length, ended.stderr).toBeLessThanOrEqual(1);
          if (command === "run" || command.startsWith("serve")) expect(left(row), args.join(" ")).toEqual([]);
          if (command !== "load") continue;
          // What nobody can know of is undone; else it stands, and that is said.
          const silent = way === "both streams on a full disk" || way === "a closed terminal";
          expect(left(row).map((one) => one.split(" ")[0])).toEqual(silent ? [] : ["link", "pin"]);
          expect(
            ended.stderr.includes(`attached to ${at.cgroup}, pinned under ${at.pins}; tsbpf detach quiet ends it`),
          ).toBe(!silent);
        }
      },
      180_000,
    );
  });
});
