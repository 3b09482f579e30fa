/**
 * How the command starts: from a snapshot that fits, or the ordinary way. A copy of the package whose ordinary start only
 * says so shows which of the two was taken.
 */
import { execFileSync, spawn, spawnSync } from "node:child_process";
import {
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  lchownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { root } from "../programs.ts";

const versionText = execFileSync(join(root, "bin/tsbpf"), ["--version"], { encoding: "utf8" }).trim();
const isRoot = process.getuid?.() === 0;
let base: string;

/** A package as npm unpacks it, in a path with a space; with `ordinary` it has no other way to start than a snapshot. */
function copyPackage(name: string): string {
  const folder = join(base, name);
  for (const part of ["bin", "dist", "programs", "package.json"]) {
    cpSync(join(root, part), join(folder, part), { recursive: true });
  }
  return folder;
}
const ordinary = (folder: string): void =>
  writeFileSync(join(folder, "bin/tsbpf.cjs"), "console.log('ordinary', ...process.argv.slice(2));\n");

function start(
  file: string,
  args: readonly string[],
  options: { cwd?: string; env?: Record<string, string | undefined>; uid?: number; timeout?: number } = {},
) {
  const { NODE_OPTIONS: _, ...env } = process.env;
  const home = { XDG_CACHE_HOME: join(base, "no cache"), HOME: join(base, "no home"), ...options.env };
  const { env: __, ...rest } = options;
  const ran = spawnSync(file, args, {
    encoding: "utf8",
    input: "",
    timeout: 40_000,
    env: { ...env, ...home },
    ...rest,
  });
  return { code: ran.status, stdout: ran.stdout.trim(), stderr: ran.stderr };
}
const fromSnapshot = { code: 0, stdout: versionText, stderr: "" };
const ordinaryStart = { code: 0, stdout: "ordinary --version", stderr: "" };

/** Waits for what a detached process makes: on a busy machine it gets a small share of the time. */
const PATIENCE = 170_000;
async function until(condition: () => boolean): Promise<void> {
  for (const end = Date.now() + PATIENCE; !condition();) {
    if (Date.now() > end) throw new Error(`it did not happen within ${PATIENCE / 1000} seconds`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

beforeAll(() => {
  base = mkdtempSync(join(tmpdir(), "tsbpf start-"));
  chmodSync(base, 0o755);
});
afterAll(() => rmSync(base, { recursive: true, force: true }));

describe("a snapshot beside the package", () => {
  let folder: string;
  let command: string;
  let prepared: string;
  beforeAll(() => {
    folder = copyPackage("a package");
    command = join(folder, "bin/tsbpf");
    const made = start(process.execPath, [join(folder, "bin/startup.cjs"), "--beside"], { timeout: PATIENCE });
    expect(made).toEqual({ code: 0, stdout: "", stderr: "" });
    const [name] = readdirSync(join(folder, ".startup"));
    prepared = join(folder, ".startup", name!);
    ordinary(folder);
  }, PATIENCE);

  /** Changes a file for the time of `body`, with the time of its last change. */
  function changed(file: string, change: (text: string) => string, body: () => void): void {
    const before = readFileSync(file);
    const { atime, mtime } = statSync(file);
    try {
      writeFileSync(file, change(before.toString("latin1")), "latin1");
      body();
    } finally {
      writeFileSync(file, before);
      utimesSync(file, atime, mtime);
    }
    expect(start(command, ["--version"])).toEqual(fromSnapshot);
  }

  test("is used, and leaves only itself", () => {
    expect(start(command, ["--version"])).toEqual(fromSnapshot);
    expect(readdirSync(join(folder, ".startup"))).toEqual([prepared.slice(dirname(prepared).length + 1)]);
    expect(readdirSync(prepared).sort()).toEqual(["code.bin", "code.stamp", "snapshot.blob", "stamp"]);
  });

  test("knows the folder and the user it runs for, not those it was made for", () => {
    const elsewhere = join(base, "else where");
    mkdirSync(join(elsewhere, "lib"), { recursive: true });
    writeFileSync(
      join(elsewhere, "lib/part.ts"),
      'import { u32 } from "tsbpf";\nexport const one = (): u32 => u32(1);\n',
    );
    writeFileSync(
      join(elsewhere, "a.ts"),
      `import { license } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
import { one } from "./lib/part.ts";
license("GPL");
export const program = sockOps((ctx) => { if (ctx.sndCwnd === one()) return 1; return 0; });
`,
    );
    const ran = start(command, ["build", "a.ts", "-o", "out"], { cwd: elsewhere });
    expect(ran).toMatchObject({ code: 0, stderr: "" });
    expect(ran.stdout).toMatch(/^a\.ts → out\/a\.o/);
    expect(existsSync(join(elsewhere, "out/a.o"))).toBe(true);
    writeFileSync(join(elsewhere, "lib/part.ts"), "export const one = ;\n");
    const wrong = start(command, ["check", "a.ts"], { cwd: elsewhere, env: { FORCE_COLOR: "1" } });
    expect(wrong.code).toBe(1);
    expect(wrong.stderr).toContain("lib/part.ts:1");
    expect(wrong.stderr).toContain("\u001b[");
  });

  test("is found through links", () => {
    mkdirSync(join(base, "links"));
    symlinkSync("../a package/bin/tsbpf", join(base, "links/relative"));
    symlinkSync(join(base, "links/relative"), join(base, "links/absolute"));
    expect(start(join(base, "links/absolute"), ["--version"])).toEqual(fromSnapshot);
    expect(start("sh", ["tsbpf", "--version"], { cwd: join(folder, "bin") })).toEqual(fromSnapshot);
  });

  test("needs no home", () => {
    const env = { HOME: undefined, XDG_CACHE_HOME: undefined };
    expect(start(command, ["--version"], { env })).toEqual(fromSnapshot);
  });

  test.skipIf(!isRoot)("serves another user (needs root)", () => {
    expect(start(command, ["--version"], { uid: 65534, env: { HOME: "/nonexistent" } })).toEqual(fromSnapshot);
  });

  test("is not for the commands that talk to the kernel", () => {
    expect(start(command, ["doctor"]).stdout).toBe("ordinary doctor");
  });

  test("hands the command line on as it is", () => {
    expect(start(command, ["doctor", "a b", "*", "", "--"]).stdout).toBe("ordinary doctor a b *  --");
  });

  test.each([
    ["NODE_OPTIONS", { NODE_OPTIONS: "--no-warnings" }],
    ["TSBPF_NO_CODE_CACHE", { TSBPF_NO_CODE_CACHE: "1" }],
  ])("is not used under %s", (_name, env) => {
    expect(start(command, ["--version"], { env })).toEqual(ordinaryStart);
  });

  test("is not used by another Node", () => {
    const other = join(base, "other node");
    mkdirSync(other);
    writeFileSync(join(other, "node"), `#!/bin/sh\nexec "${process.execPath}" "$@"\n`, { mode: 0o755 });
    const env = { PATH: `${other}:${process.env["PATH"]}` };
    expect(start(command, ["--version"], { env })).toEqual(ordinaryStart);
  });

  test("without Node there is one clear error", () => {
    expect(start("/bin/sh", [command, "--version"], { env: { PATH: "/nowhere" } })).toEqual({
      code: 1,
      stdout: "",
      stderr: 'error: tsbpf needs Node.js 20.11 or later, and there is no "node" on the PATH\n',
    });
  });

  test("is not used when it was changed, cut off or removed", () => {
    const blob = join(prepared, "snapshot.blob");
    const used = () => start(command, ["--version"]);
    changed(
      blob,
      (text) => `${text}x`,
      () => expect(used()).toEqual(ordinaryStart),
    );
    changed(
      blob,
      (text) => text.slice(0, 1000),
      () => expect(used()).toEqual(ordinaryStart),
    );
    changed(
      blob,
      () => "",
      () => expect(used()).toEqual(ordinaryStart),
    );
  });

  test.each([
    ["is empty", () => ""],
    ["names no flags", (text: string) => text.split("\n").slice(0, 4).join("\n")],
    ["is of another processor", (text: string) => text.replace(/^(?:flags|Features).*$/m, "flags : none")],
    ["is of another Node", (text: string) => text.replace(/\n\d+-/, "\n1-")],
  ])("is not used when its stamp %s", (_name, change) => {
    changed(join(prepared, "stamp"), change, () => expect(start(command, ["--version"])).toEqual(ordinaryStart));
  });

  test("is not used when its contents were changed, whatever size and time say", () => {
    const blob = join(prepared, "snapshot.blob");
    const before = readFileSync(blob);
    const { atime, mtime } = statSync(blob);
    try {
      for (const at of [100, before.length >> 1, before.length - 100]) {
        const damaged = Buffer.from(before);
        damaged.fill(0x5a, at, at + 8);
        writeFileSync(blob, damaged);
        utimesSync(blob, atime, mtime);
        expect(start(command, ["--version"]), `at ${at}`).toEqual(ordinaryStart);
      }
    } finally {
      writeFileSync(blob, before);
      utimesSync(blob, atime, mtime);
    }
    // Touched, and whole: it is used.
    expect(start(command, ["--version"])).toEqual(fromSnapshot);
  });

  test("a damaged code cache is not run", () => {
    cpSync(join(root, "bin/tsbpf.cjs"), join(folder, "bin/tsbpf.cjs"));
    const code = join(prepared, "code.bin");
    changed(
      code,
      (text) => text.slice(0, text.length >> 1) + "Z".repeat(64) + text.slice((text.length >> 1) + 64),
      () =>
        expect(start(command, ["--version"], { env: { NODE_OPTIONS: "--no-warnings" } })).toMatchObject({
          code: 0,
          stdout: versionText,
        }),
    );
    ordinary(folder);
  });

  test("is not used with another build", () => {
    changed(
      join(folder, "dist/build.id"),
      (text) => text.replace(/^./, "x"),
      () => expect(start(command, ["--version"])).toEqual(ordinaryStart),
    );
  });
});

describe("the user's cache directory", () => {
  let folder: string;
  let command: string;
  let cache: string;
  let env: { XDG_CACHE_HOME: string };
  const prepared = () => {
    const names = existsSync(join(cache, "tsbpf")) ? readdirSync(join(cache, "tsbpf")) : [];
    return names.filter((name) => existsSync(join(cache, "tsbpf", name, "stamp")));
  };
  // Records of what was built lie beside it.
  const settled = () =>
    prepared().length === 1 && readdirSync(join(cache, "tsbpf")).filter((name) => name !== "builds").length === 1;
  beforeAll(() => {
    folder = copyPackage("another package");
    command = join(folder, "bin/tsbpf");
    cache = join(base, "a cache");
    env = { XDG_CACHE_HOME: cache };
  });

  test(
    "gets a snapshot and a code cache from the first runs, once, while nobody waits",
    async () => {
      for (let run = 0; run < 2; run++) {
        const first = start(command, ["build", "-o", join(base, "out"), join(root, "programs/ndiffports.ts")], { env });
        expect(first).toMatchObject({ code: 0, stderr: "" });
      }
      await until(settled);
      const made = join(cache, "tsbpf", prepared()[0]!);
      expect(statSync(made).mode & 0o777).toBe(0o700);
      ordinary(folder);
      expect(start(command, ["--version"], { env })).toEqual(fromSnapshot);
      expect(start(command, ["--version"], { env: { XDG_CACHE_HOME: "a cache" }, cwd: base })).toEqual(ordinaryStart);
    },
    2 * PATIENCE,
  );

  test("is not trusted when others may write there, or own it", () => {
    const made = join(cache, "tsbpf", prepared()[0]!);
    const blob = join(made, "snapshot.blob");
    chmodSync(blob, 0o666);
    expect(start(command, ["--version"], { env })).toEqual(ordinaryStart);
    chmodSync(blob, 0o600);
    expect(start(command, ["--version"], { env })).toEqual(fromSnapshot);
    if (!isRoot) return; // Only root can give files away.
    for (const file of [blob, made, join(made, "stamp")]) {
      chownSync(file, 65534, 65534);
      expect(start(command, ["--version"], { env }), file).toEqual(ordinaryStart);
      chownSync(file, 0, 0);
    }
    expect(start(command, ["--version"], { env })).toEqual(fromSnapshot);
  });

  test.skipIf(!isRoot)("is not trusted below a folder of another user's, whoever owns the files (needs root)", () => {
    const lent = join(base, "lent");
    mkdirSync(lent);
    cpSync(cache, join(lent, "cache"), { recursive: true, preserveTimestamps: true });
    const there = { XDG_CACHE_HOME: join(lent, "cache") };
    expect(start(command, ["--version"], { env: there })).toEqual(fromSnapshot);
    for (const change of [
      () => chownSync(lent, 65534, 65534),
      () => chmodSync(lent, 0o777),
      () => chmodSync(lent, 0o770),
    ]) {
      change();
      expect(start(command, ["--version"], { env: there })).toEqual(ordinaryStart);
      chownSync(lent, 0, 0);
      chmodSync(lent, 0o755);
    }
    // One's own link is as good as the folder; behind another user's folder it is not.
    symlinkSync(cache, join(lent, "link"));
    expect(start(command, ["--version"], { env: { XDG_CACHE_HOME: join(lent, "link") } })).toEqual(fromSnapshot);
  });

  test.skipIf(!isRoot)("is neither made nor looked for in another user's home (needs root)", async () => {
    cpSync(join(root, "bin/tsbpf.cjs"), join(folder, "bin/tsbpf.cjs"));
    const home = join(base, "home of another");
    mkdirSync(home);
    chownSync(home, 65534, 65534);
    const env = { HOME: home, XDG_CACHE_HOME: undefined };
    expect(start(command, ["--version"], { env })).toEqual(fromSnapshot);
    const made = start(process.execPath, [join(folder, "bin/startup.cjs")], { env });
    expect(made).toEqual({ code: 0, stdout: "", stderr: "" });
    expect(readdirSync(home)).toEqual([]);
    // Nor where another user's link leads to, and nothing is cleared away there.
    const victim = join(base, "of root");
    mkdirSync(victim);
    writeFileSync(join(victim, "important.lock"), "");
    utimesSync(join(victim, "important.lock"), 0, 0);
    mkdirSync(join(home, ".cache"));
    symlinkSync(victim, join(home, ".cache/tsbpf"));
    chownSync(join(home, ".cache"), 65534, 65534);
    lchownSync(join(home, ".cache/tsbpf"), 65534, 65534);
    expect(start(process.execPath, [join(folder, "bin/startup.cjs")], { env })).toEqual({
      code: 0,
      stdout: "",
      stderr: "",
    });
    expect(readdirSync(victim)).toEqual(["important.lock"]);
    ordinary(folder);
  });

  test("is passed over where a file is none, and nobody waits for it", () => {
    const made = join(cache, "tsbpf", prepared()[0]!);
    const kinds: readonly (readonly [what: string, make: (file: string) => unknown])[] = [
      ["a FIFO", (file) => spawnSync("mkfifo", [file])],
      [
        "a socket",
        (file) =>
          spawnSync(process.execPath, [
            "-e",
            `require("net").createServer().listen(${JSON.stringify(file)}, () => process.kill(process.pid, "SIGKILL"))`,
          ]),
      ],
      ["a folder", (file) => mkdirSync(file)],
      ["a link to a device", (file) => symlinkSync("/dev/zero", file)],
      ["a link to what was there", (file) => symlinkSync(`${file}.before`, file)],
      ...(isRoot ? ([["a device", (file: string) => spawnSync("mknod", [file, "c", "1", "5"])]] as const) : []),
    ];
    const instead = (name: string, make: (file: string) => unknown, body: () => void): void => {
      const file = join(made, name);
      renameSync(file, `${file}.before`);
      try {
        make(file);
        expect(existsSync(file)).toBe(true);
        body();
      } finally {
        rmSync(file, { recursive: true, force: true });
        renameSync(`${file}.before`, file);
      }
    };
    const codeCache = (): string =>
      spawnSync(
        process.execPath,
        [
          "-e",
          `console.log(require(${JSON.stringify(join(folder, "bin/startup.cjs"))}).findCodeCache() !== undefined)`,
        ],
        { encoding: "utf8", timeout: 20_000, env: { ...process.env, ...env } },
      ).stdout;
    for (const [what, make] of kinds) {
      for (const name of ["stamp", "snapshot.blob"])
        instead(name, make, () =>
          expect(start(command, ["--version"], { env }), `${name}: ${what}`).toEqual(ordinaryStart),
        );
      for (const name of ["code.stamp", "code.bin"])
        instead(name, make, () => expect(codeCache(), `${name}: ${what}`).toBe("false\n"));
    }
    expect(codeCache()).toBe("true\n");
    // Renaming has touched them, and they are whole.
    expect(start(command, ["--version"], { env })).toEqual(fromSnapshot);
  }, 180_000);

  test("is not asked for code where the installed one fits", () => {
    cpSync(join(root, "bin/tsbpf.cjs"), join(folder, "bin/tsbpf.cjs"));
    cpSync(join(root, "bin/startup.cjs"), join(folder, "bin/startup.cjs"));
    const made = join(cache, "tsbpf", prepared()[0]!);
    cpSync(made, join(folder, ".startup", made.slice(dirname(made).length + 1)), { recursive: true });
    const ran = spawnSync(
      process.execPath,
      [
        "-e",
        `const { findCodeCache } = require(${JSON.stringify(join(folder, "bin/startup.cjs"))});
        const fs = require("node:fs"); const asked = []; const open = fs.openSync; const stat = fs.lstatSync;
        fs.openSync = (file, ...rest) => (asked.push(file), open(file, ...rest));
        fs.lstatSync = (file, ...rest) => (asked.push(file), stat(file, ...rest));
        console.log(findCodeCache() !== undefined, asked.filter((file) => file.startsWith(process.env.XDG_CACHE_HOME)).length);`,
      ],
      { encoding: "utf8", env: { ...process.env, ...env } },
    );
    rmSync(join(folder, ".startup"), { recursive: true });
    ordinary(folder);
    expect(ran.stdout).toBe("true 0\n");
  });

  test(
    "a spoiled code cache is replaced",
    async () => {
      cpSync(join(root, "bin/tsbpf.cjs"), join(folder, "bin/tsbpf.cjs"));
      const made = join(cache, "tsbpf", prepared()[0]!);
      writeFileSync(join(made, "code.bin"), "spoiled");
      rmSync(join(made, "stamp"));
      // Right after it was made, it is not made again.
      expect(start(command, ["--version"], { env })).toEqual(fromSnapshot);
      const yesterday = new Date(Date.now() - 86_400_000);
      utimesSync(made, yesterday, yesterday);
      expect(start(command, ["--version"], { env })).toEqual(fromSnapshot);
      await until(settled);
      expect(statSync(join(made, "code.bin")).size).toBeGreaterThan(100_000);
    },
    2 * PATIENCE,
  );

  test("may be impossible", () => {
    const nowhere = { XDG_CACHE_HOME: "/proc/nowhere" };
    expect(start(command, ["--version"], { env: nowhere })).toEqual(fromSnapshot);
    const file = join(base, "a file");
    writeFileSync(file, "");
    expect(start(command, ["--version"], { env: { XDG_CACHE_HOME: file } })).toEqual(fromSnapshot);
  });

  test("stays empty under TSBPF_NO_CODE_CACHE", () => {
    const empty = join(base, "empty");
    expect(start(command, ["--version"], { env: { XDG_CACHE_HOME: empty, TSBPF_NO_CODE_CACHE: "1" } })).toEqual(
      fromSnapshot,
    );
    expect(existsSync(empty)).toBe(false);
  });
});

/** Starts something that waits, sends it SIGHUP, and gives the signal that ended it: undefined when none did. */
async function hungUp(file: string, args: readonly string[]): Promise<NodeJS.Signals | undefined> {
  const child = spawn(file, args, { stdio: ["pipe", "pipe", "ignore"] });
  const ended = new Promise<NodeJS.Signals | undefined>((resolve) =>
    child.on("exit", (_code, signal) => resolve(signal ?? undefined)),
  );
  child.stdin.write("b7000000070000009500000000000000\n");
  // It has answered, so it is there.
  await new Promise((resolve) => child.stdout.once("data", resolve));
  child.kill("SIGHUP");
  // What the signal has ended takes no more.
  child.stdin.on("error", () => undefined);
  child.stdin.end("b7000000070000009500000000000000\n");
  return ended;
}

describe("a closed terminal", () => {
  const command = join(root, "bin/tsbpf");
  test("ends the command, but for one that nohup(1) has started", async () => {
    expect(await hungUp(command, ["vm", "--batch"])).toBe("SIGHUP");
    expect(await hungUp("nohup", [command, "vm", "--batch"])).toBeUndefined();
  }, 60_000);

  test("says so to nobody else: what the launcher found is no wish of the caller's", () => {
    const env = { ...process.env, TSBPF_NO_HANG_UP: "1", TSBPF_NO_CODE_CACHE: "1" };
    const script = `export PATH=${JSON.stringify(join(base, "shown"))}; exec /bin/sh ${JSON.stringify(command)} vm`;
    mkdirSync(join(base, "shown"));
    writeFileSync(join(base, "shown/node"), '#!/bin/sh\necho "[${TSBPF_NO_HANG_UP-none}]"\n', { mode: 0o755 });
    expect(spawnSync("/bin/sh", ["-c", script], { encoding: "utf8", env }).stdout).toBe("[none]\n");
    expect(spawnSync("nohup", ["/bin/sh", "-c", script], { encoding: "utf8", env }).stdout).toBe("[1]\n");
  });
});
