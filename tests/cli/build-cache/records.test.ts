/** Records that are spoiled, planted or in the way: none is believed, and none is a word worth. */
import { createHash } from "node:crypto";
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  lchownSync,
  linkSync,
  lutimesSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { spawnSync } from "node:child_process";
import { basename, dirname, join } from "node:path";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { root } from "../../programs.ts";
import { Project, type Outcome } from "./project.ts";

const isRoot = process.getuid?.() === 0;
const NOBODY = 65534;
const ARGS = ["build", "src/main.ts"] as const;
let project: Project;
let wanted: Outcome;
let made: string;
let text: string;
/** What nobody may have believed. */
let evil: string;
beforeAll(() => {
  project = new Project();
  wanted = project.uncached(ARGS);
  project.cached(ARGS);
  made = project.record();
  text = readFileSync(made, "utf8");
  evil = planted((body) => (body["printed"] = [[1, "planted\n"]]));
});
afterAll(() => project.close());
beforeEach(() => {
  rmSync(project.records, { recursive: true, force: true });
  mkdirSync(project.records, { mode: 0o700 });
  put(text);
});

function put(contents: string | Uint8Array, mode = 0o600): void {
  rmSync(made, { recursive: true, force: true });
  writeFileSync(made, contents, { mode });
}
/** Runs the command; it must do what compiling does. Whether a record was used. */
function used(env: Record<string, string> = {}): boolean {
  const { replayed, ...outcome } = project.cached(ARGS, env);
  expect(outcome).toEqual(wanted);
  return replayed;
}

/** The record with other contents, whole and summed up: what somebody would plant. */
function planted(change: (body: Record<string, unknown>) => void, head = text.split("\n\n")[0]!): string {
  const body = JSON.parse(text.slice(text.indexOf("\n\n")).split("\n")[3]!) as Record<string, unknown>;
  change(body);
  const said = JSON.stringify(body);
  return `${head}\n\n${createHash("sha256").update(said).digest("hex")}\n${said}\n`;
}

test("a planted one would be believed, if it were this user's own", () => {
  put(evil);
  expect(project.cached(ARGS).stdout).toBe("planted\n");
});

test("it is for nobody else to read, and holds no more than one command", () => {
  expect(used()).toBe(true);
  expect(statSync(made).mode & 0o777).toBe(0o600);
  expect(statSync(project.records).mode & 0o777).toBe(0o700);
  expect(readdirSync(project.records)).toEqual([basename(made)]);
});

test("a damaged one is not used, wherever the damage is", () => {
  const head = text.indexOf("\n\n") + 2;
  const places = [head, head + 63, head + 66, (head + text.length) >> 1, text.length - 40];
  for (const at of places) {
    put(`${text.slice(0, at)}${text[at] === "x" ? "y" : "x"}${text.slice(at + 1)}`);
    expect(used(), `at ${at} of ${text.length}`).toBe(false);
  }
  for (const rest of ["", "\n", "\n\n", text.slice(0, head), text.slice(0, -20), text.slice(head), "\n".repeat(1000)]) {
    put(rest);
    expect(used(), JSON.stringify(rest.slice(0, 40))).toBe(false);
  }
  put(Buffer.alloc(1 << 20));
  expect(used()).toBe(false);
}, 120_000);

test.each<[string, (body: Record<string, unknown>) => void]>([
  ["of another command", (body) => (body["key"] = "[]")],
  ["of no command", (body) => delete body["key"]],
  ["without questions", (body) => delete body["asked"]],
  ["with a question that nobody asks", (body) => (body["asked"] = [["toString", "/", 1]])],
  ["that writes nowhere", (body) => (body["wrote"] = [["/proc/nowhere/x.o", ""]])],
  ["that is no object", (body) => Object.assign(body, { key: undefined, asked: 7 })],
])("one %s is not used", (_what, change) => {
  put(planted(change));
  expect(used()).toBe(false);
});

test("one that is no file, or leads to one, is passed over, and nobody waits for it", () => {
  const elsewhere = join(project.base, "elsewhere");
  writeFileSync(elsewhere, evil, { mode: 0o600 });
  const kinds: readonly (() => void)[] = [
    () => symlinkSync(elsewhere, made),
    () => mkdirSync(made),
    () => spawnSync("mkfifo", [made]),
    () => symlinkSync("/dev/zero", made),
    ...(isRoot ? [() => spawnSync("mknod", [made, "c", "1", "5"])] : []),
  ];
  for (const make of kinds) {
    rmSync(made, { recursive: true, force: true });
    make();
    used();
  }
}, 120_000);

test("one that others may write, or a folder where they may, is not believed", () => {
  put(evil);
  for (const mode of [0o666, 0o620, 0o602]) {
    put(evil);
    chmodSync(made, mode);
    expect(used(), mode.toString(8)).toBe(false);
  }
  for (const folder of [project.records, dirname(project.records), project.cache]) {
    put(evil);
    for (const mode of [0o777, 0o770, 0o702]) {
      chmodSync(folder, mode);
      used();
    }
    chmodSync(folder, 0o700);
  }
}, 120_000);

test.skipIf(!isRoot)(
  "another user's is not believed, nor one below another user's folder or link (needs root)",
  () => {
    for (const file of [made, project.records, dirname(project.records), project.cache]) {
      put(evil);
      chownSync(file, NOBODY, NOBODY);
      used();
      chownSync(file, 0, 0);
    }
    // Somebody else's home: nothing is looked for, and nothing left there.
    const home = join(project.base, "home");
    mkdirSync(join(home, ".cache/tsbpf"), { recursive: true });
    cpSync(project.records, join(home, ".cache/tsbpf/builds"), { recursive: true, preserveTimestamps: true });
    writeFileSync(join(home, ".cache/tsbpf/builds", basename(made)), evil);
    chownSync(home, NOBODY, NOBODY);
    used({ HOME: home, XDG_CACHE_HOME: "" });
    expect(readFileSync(join(home, ".cache/tsbpf/builds", basename(made)), "utf8")).toBe(evil);
    // A link of theirs that leads to root's.
    const lent = join(project.base, "lent");
    symlinkSync(project.cache, lent);
    lchownSync(lent, NOBODY, NOBODY);
    put(evil);
    used({ XDG_CACHE_HOME: lent });
    expect(readFileSync(made, "utf8")).toBe(evil);
  },
  120_000,
);

test("one is not done again when the command that was to do it has been killed", () => {
  const folder = join(project.base, "bin of its own");
  mkdirSync(folder);
  // A Node that outlives its launcher: it starts when that is gone.
  const script = `#!/bin/sh
if [ -n "$KILLS" ]; then kill -KILL $PPID; while kill -0 $PPID 2>/dev/null; do sleep 0.01; done; fi
exec '${process.execPath}' "$@"
`;
  writeFileSync(join(folder, "node"), script, { mode: 0o755 });
  const env = { PATH: `${folder}:${process.env["PATH"]}` };
  expect(used(env)).toBe(false);
  expect(used(env)).toBe(true);
  expect(project.cached(ARGS, { ...env, KILLS: "1" })).toMatchObject({
    code: null,
    stdout: "",
    stderr: "",
    written: [],
  });
});

test("the same command's record under another name is not used", () => {
  const other = join(project.records, "1-1");
  renameSync(made, other);
  expect(used()).toBe(false);
  // Two commands whose names are the same: the record says which one it is of.
  rmSync(made);
  const check = project.uncached(["check", "src/main.ts"]);
  project.cached(["check", "src/main.ts"]);
  const [name] = readdirSync(project.records).filter((one) => one !== "1-1" && one !== basename(made));
  rmSync(join(project.records, name!));
  linkSync(other, join(project.records, name!));
  const { replayed, ...outcome } = project.cached(["check", "src/main.ts"]);
  expect(outcome).toEqual(check);
  expect(replayed).toBe(false);
});

test("at most 200 are kept, the newest, and what was interrupted goes", () => {
  for (let i = 0; i < 230; i++) {
    writeFileSync(join(project.records, `${i}-9`), "");
    utimesSync(join(project.records, `${i}-9`), 1000 + i, 1000 + i);
  }
  writeFileSync(join(project.records, "5-5.1-1.part"), "");
  utimesSync(join(project.records, "5-5.1-1.part"), 0, 0);
  rmSync(made);
  expect(used()).toBe(false);
  const names = readdirSync(project.records);
  expect(names.length).toBeLessThanOrEqual(200);
  expect(names).toContain(basename(made));
  expect(names).toContain("229-9");
  expect(names).not.toContain("0-9");
  expect(names).not.toContain("5-5.1-1.part");
  expect(used()).toBe(true);
});

test("what is no record stays, however much of it there is, and however old", () => {
  const others = ["notes.txt", "old.lock", "5-5.1-1.part.txt", "0-0x", "a link", "a folder", "7-7"];
  for (let i = 0; i < 230; i++) others.push(`photo-${i}.jpg`);
  for (const name of others.slice(0, 4)) writeFileSync(join(project.records, name), "");
  for (const name of others.slice(7)) writeFileSync(join(project.records, name), "");
  symlinkSync("notes.txt", join(project.records, "a link"));
  // Even by the name of a record: a folder is none.
  for (const name of ["a folder", "7-7"]) {
    mkdirSync(join(project.records, name));
    writeFileSync(join(project.records, name, "kept"), "");
  }
  for (let i = 0; i < 230; i++) writeFileSync(join(project.records, `${i}-9`), "");
  for (const name of [...others, "0-9"]) lutimesSync(join(project.records, name), 1000, 1000);
  rmSync(made);
  expect(used()).toBe(false);
  const names = readdirSync(project.records);
  expect(names).toEqual(expect.arrayContaining([...others, basename(made)]));
  expect(names).not.toContain("0-9");
  expect(readdirSync(join(project.records, "7-7"))).toEqual(["kept"]);
});

test("where nothing can be kept, nothing is, and nothing is said", () => {
  used({ XDG_CACHE_HOME: "/proc/nowhere" });
  const file = join(project.base, "a file");
  writeFileSync(file, "");
  used({ XDG_CACHE_HOME: file });
  used({ XDG_CACHE_HOME: "", HOME: "/dev/null" });
  // Without an absolute path there is none: not in the current folder, nor in the home that the system knows.
  for (const home of ["", "own"]) {
    for (let run = 0; run < 2; run++) used({ XDG_CACHE_HOME: "own", HOME: home });
    for (const name of [".cache", "own"]) expect(existsSync(project.at(name)), name).toBe(false);
  }
});

test.skipIf(!isRoot || spawnSync("unshare", ["-m", "true"]).status !== 0)(
  "a full disk is no error (needs root)",
  () => {
    const full = join(project.base, "full");
    mkdirSync(full, { recursive: true });
    const script = `mount -t tmpfs -o size=16k,mode=700 none '${full}' && mkdir -p '${full}/tsbpf/builds' && chmod 700 '${full}/tsbpf' '${full}/tsbpf/builds'
    head -c 100000 /dev/zero >'${full}/rest' 2>/dev/null; cd '${project.folder}'; '${join(root, "bin/tsbpf")}' build src/main.ts 2>&1; echo "code $?"; ls -A '${full}/tsbpf/builds'`;
    const { stdout } = spawnSync("unshare", ["-m", "sh", "-c", script], {
      encoding: "utf8",
      env: { ...process.env, NODE_OPTIONS: "", FORCE_COLOR: "", XDG_CACHE_HOME: full },
    });
    expect(stdout).toMatch(/code 0\n$/);
    rmSync(project.at("out"), { recursive: true });
  },
);

test("nothing is kept of what fails, is watched, or comes on standard input, or when it is switched off", () => {
  rmSync(made);
  project.write("wrong.ts", "export const wrong: string = 1;\n");
  project.cached(["build", "wrong.ts"]);
  project.cached(["build", "src/main.ts", "wrong.ts"]);
  project.cached(["check", "-"]);
  project.cached(["build", "--bogus"]);
  project.cached(["--version"]);
  project.cached(["disasm", "nowhere.o"]);
  project.cached(ARGS, { TSBPF_NO_BUILD_CACHE: "1" });
  project.cached(ARGS, { TSBPF_NO_CODE_CACHE: "1" });
  // What somebody else calls a record is none.
  project.cached(["disasm", "nowhere.o"], { TSBPF_RECORD: "1-1" });
  project.cached(ARGS, { TSBPF_NO_BUILD_CACHE: "1", TSBPF_RECORD: "1-1" });
  expect(readdirSync(project.records)).toEqual([]);
  expect(existsSync(made)).toBe(false);
  project.remove("wrong.ts");
}, 60_000);
