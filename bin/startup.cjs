"use strict";
// What makes a start quick, made once for each build of tsbpf, each Node and each kind of processor: a startup snapshot,
// with the compiler loaded and its functions compiled, and V8's code cache for where a snapshot cannot be used.
// `npm ci` makes them beside the package; where it could not, the first run has them made in the user's cache directory.
// All of it is a matter of speed alone: no failure here is an error.
const fs = require("node:fs");
const { createRequire } = require("node:module");
const path = require("node:path");
const v8 = require("node:v8");
const vm = require("node:vm");
const { cacheFolder, isSafe, makeFolder, readOwn } = require("./own.cjs");

const root = path.join(__dirname, "..");
const dist = path.join(root, "dist");

const bundle = path.join(dist, "cli.cjs");

/** V8 counts bytes of bytecode up to version 11, calls afterwards; it refuses what it does not know. */
const PATIENCE = Number.parseInt(process.versions.v8) <= 11 ? ["--interrupt-budget=1000000"] : [];

/**
 * Most programs are compiled before V8's optimizer could help, and on a small machine it takes the processor from them:
 * it waits fifteen times as long as by default in Node 20. Bytecode is kept, because the snapshot is made of it.
 */
const FLAGS = ["--no-flush-bytecode", ...PATIENCE];

/**
 * Of a snapshot alone. Its hashes stay as they were made: a seed against those who choose the keys of a server's tables guards nothing
 * here, and hashing all anew is a tenth of the start. It has been compared with its stamp, and V8 need not sum it up again.
 */
const SNAPSHOT_FLAGS = [...FLAGS, "--no-rehash-snapshot", "--no-verify-snapshot-checksum"];

/** At most this many are kept for different builds, Nodes and processors. */
const KEPT = 4;
const LOCK_MINUTES = 5;
const RETRY_MINUTES = 60;

/** Names what dist/ contains; undefined before the first build. */
function buildId() {
  try {
    return fs.readFileSync(path.join(dist, "build.id"), "latin1").trim();
  } catch {
    return undefined;
  }
}

/** What V8 compares of a processor follows from this line; `bin/tsbpf` compares the line. */
function processor() {
  try {
    return /^(?:flags|Features).*$/m.exec(fs.readFileSync("/proc/cpuinfo", "latin1"))?.[0] ?? "";
  } catch {
    return "";
  }
}

function folderName() {
  // A plain checksum is enough to tell a few processors apart, and needs no cryptography to be loaded.
  let sum = 0;
  for (const char of processor()) sum = (Math.imul(sum, 31) + char.charCodeAt(0)) >>> 0;
  return `${buildId()}-${process.version}-${process.arch}-${sum.toString(16)}`;
}

const besideFolder = () => path.join(root, ".startup");

/** What tells one state of a file from another: nobody can set the time of its last change. */
const stateOf = ({ size, mtimeNs, ctimeNs }) => `${size}-${mtimeNs}-${ctimeNs}`;
const digest = (bytes) => require("node:crypto").createHash("sha256").update(bytes).digest("hex");

/** A code cache by its folder; undefined when it is not there, damaged, or, with `mine`, not this user's alone. */
function readCodeCache(folder, mine) {
  try {
    if (mine && !isSafe(folder)) return undefined;
    const [state, sum] = readOwn(path.join(folder, "code.stamp"), mine).bytes.toString("latin1").split("\n");
    const { stat, bytes } = readOwn(path.join(folder, "code.bin"), mine);
    // V8 would believe a damaged one. What was touched or copied since it was made is compared as a whole.
    return stateOf(stat) === state || digest(bytes) === sum ? bytes : undefined;
  } catch {
    return undefined;
  }
}

/** The code cache, as bytes; undefined when there is none. The user's own is not asked where the installed one fits. */
const findCodeCache = () =>
  readCodeCache(path.join(besideFolder(), folderName()), false) ??
  (cacheFolder() && readCodeCache(path.join(cacheFolder(), folderName()), true));

function script(cachedData) {
  for (const flag of FLAGS) v8.setFlagsFromString(flag);
  const text = `(function (exports, require, module, __filename, __dirname) {${fs.readFileSync(bundle, "utf8")}\n})`;
  const made = new vm.Script(text, { filename: bundle, ...(cachedData ? { cachedData } : {}) });
  const start = () => {
    const main = { exports: {} };
    const require = createRequire(bundle);
    made.runInThisContext().call(main.exports, main.exports, require, main, bundle, dist);
  };
  return { made, start };
}

/** Runs the command; returns whether the code cache was there and fitted. */
function run(cachedData) {
  const { made, start } = script(cachedData);
  start();
  return cachedData !== undefined && made.cachedDataRejected === false;
}

/**
 * Whether a run that could not start quickly should have the user's own prepared: not where Node's flags or the missing
 * right to write would make it futile, not while another process does it, and not again right after it was done.
 */
function mayPrepare() {
  try {
    if (process.env.NODE_OPTIONS || process.env.NODE_V8_COVERAGE || process.execArgv.length > 0) return false;
    if (!cacheFolder() || !makeFolder(cacheFolder())) return false;
    fs.accessSync(cacheFolder(), fs.constants.W_OK);
    const target = path.join(cacheFolder(), folderName());
    return !isLocked(`${target}.lock`) && !(fs.existsSync(target) && ageMinutes(target) < RETRY_MINUTES);
  } catch {
    return false;
  }
}

const ageMinutes = (file) => (Date.now() - fs.statSync(file).mtimeMs) / 60_000;
const isLocked = (lock) => fs.existsSync(lock) && ageMinutes(lock) < LOCK_MINUTES;

/** Runs Node to its end without a word; rejects unless it succeeds. Resolves to its standard output. */
function node(args, cwd) {
  const { NODE_OPTIONS: _, NODE_EXTRA_CA_CERTS: __, NODE_V8_COVERAGE: ___, ...env } = process.env;
  return new Promise((resolve, reject) => {
    const { execFile } = require("node:child_process");
    execFile(
      process.execPath,
      args,
      { cwd, env: { ...env, NODE_NO_WARNINGS: "1" }, timeout: 120_000 },
      (error, stdout) => (error ? reject(error) : resolve(stdout)),
    );
  });
}

/** A folder with the programs of the package, which the command compiles to get warm. */
function makeWorkFolder(part) {
  const work = fs.mkdtempSync(path.join(part, "work-"));
  const programs = path.join(root, "programs");
  for (const name of fs.readdirSync(programs))
    if (name.endsWith(".ts")) fs.copyFileSync(path.join(programs, name), path.join(work, name));
  return work;
}

async function makeCodeCache(part) {
  const work = makeWorkFolder(part);
  const file = path.join(part, "code.bin");
  await node([__filename, "--code", file], work);
  const stamp = `${stateOf(fs.statSync(file, { bigint: true }))}\n${digest(fs.readFileSync(file))}\n`;
  fs.writeFileSync(path.join(part, "code.stamp"), stamp, { mode: 0o644 });
}

/** The snapshot, and last the stamp that says what it belongs to; `bin/tsbpf` reads it. */
async function makeSnapshot(part, mine) {
  const work = makeWorkFolder(part);
  const blob = path.join(part, "snapshot.blob");
  const from = [...SNAPSHOT_FLAGS, "--snapshot-blob", blob];
  await node([...from, "--build-snapshot", bundle], work);
  const { version } = JSON.parse(fs.readFileSync(path.join(root, "package.json"), "utf8"));
  if ((await node([...from, "tsbpf", "--version"], work)).split("\n")[0] !== version) return;
  fs.chmodSync(blob, mine ? 0o600 : 0o644);
  const facts = (file) => {
    const { size, mtimeMs } = fs.statSync(file);
    return `${size}-${Math.floor(mtimeMs / 1000)}`;
  };
  const { ctimeNs } = fs.statSync(blob, { bigint: true });
  const changed = `${ctimeNs / 1_000_000_000n}.${String(ctimeNs % 1_000_000_000n).padStart(9, "0")}`;
  const program = fs.realpathSync(process.execPath);
  const lines = [
    program,
    facts(program),
    facts(blob),
    changed,
    await cksum(blob),
    processor(),
    SNAPSHOT_FLAGS.join(" "),
  ];
  fs.writeFileSync(path.join(part, "stamp"), `${lines.join("\n")}\n`, { mode: mine ? 0o600 : 0o644 });
}

/** What cksum(1) says of a file on its standard input, as `bin/tsbpf` asks it. */
function cksum(file) {
  return new Promise((resolve) => {
    const { spawn } = require("node:child_process");
    const child = spawn("cksum", [], { stdio: [fs.openSync(file, "r"), "pipe", "ignore"] });
    let text = "";
    child.stdout.setEncoding("latin1").on("data", (chunk) => (text += chunk));
    // Without it, what was touched is never used.
    child.on("error", () => resolve("none"));
    child.on("close", () => resolve(text.trim() || "none"));
  });
}

/** The names of what is made here, of its lock, and of what is being made. */
const NAME = /^[0-9a-f]{16}-v[\w.-]+-[0-9a-f]+(\.lock|\.part-\w+)?$/;

/**
 * Removes what is old, and of names that are given here: beyond the newest few, and what interrupted processes left.
 * Beside a build, only its own stay.
 */
function prune(parent, keep, beside) {
  const entries = fs.readdirSync(parent).map((name) => path.join(parent, name));
  const ours = entries.flatMap((file) => {
    const match = NAME.exec(path.basename(file));
    return match ? [{ file, unfinished: match[1] !== undefined }] : [];
  });
  const left = ours
    .filter(({ file, unfinished }) => unfinished && ageMinutes(file) > LOCK_MINUTES)
    .map(({ file }) => file);
  const made = ours
    .filter(({ file, unfinished }) => !unfinished && file !== keep)
    .map(({ file }) => file)
    .sort((a, b) => ageMinutes(a) - ageMinutes(b));
  const stale = beside ? made.filter((file) => !path.basename(file).startsWith(`${buildId()}-`)) : [];
  const former = entries.filter((file) => /[\\/]code-[0-9a-f]{24}\.bin$/.test(file));
  for (const file of [...left, ...stale, ...made.slice(KEPT - 1), ...former]) {
    fs.rmSync(file, { recursive: true, force: true });
  }
}

/**
 * Makes the folder with the code caches and the snapshot, unless it is there: beside the package, or else in the user's
 * cache directory. Returns whether it is there now; never fails.
 */
async function prepare({ beside }) {
  let part;
  let lock;
  try {
    if (buildId() === undefined) return false;
    const parent = beside ? besideFolder() : cacheFolder();
    if (parent === undefined) return false;
    const target = path.join(parent, folderName());
    if (beside) {
      fs.mkdirSync(parent, { recursive: true });
      fs.chmodSync(parent, 0o755);
    } else if (!makeFolder(parent)) return false;
    if (isLocked(`${target}.lock`)) return false;
    fs.rmSync(`${target}.lock`, { recursive: true, force: true });
    fs.mkdirSync(`${target}.lock`);
    lock = `${target}.lock`;
    if (beside && fs.existsSync(path.join(target, "stamp"))) return true;
    part = fs.mkdtempSync(`${target}.part-`);
    if (beside) fs.chmodSync(part, 0o755);
    // Where a snapshot cannot be made, the code caches are still worth having.
    await Promise.all([makeCodeCache(part), makeSnapshot(part, !beside).catch(() => undefined)]);
    for (const name of fs.readdirSync(part)) {
      if (name.startsWith("work-")) fs.rmSync(path.join(part, name), { recursive: true, force: true });
    }
    fs.rmSync(target, { recursive: true, force: true });
    fs.renameSync(part, target);
    prune(parent, target, beside);
    return true;
  } catch {
    return false;
  } finally {
    for (const file of [part, lock]) {
      try {
        if (file) fs.rmSync(file, { recursive: true, force: true });
      } catch {
        // The next one to come removes it.
      }
    }
  }
}

module.exports = { buildId, findCodeCache, mayPrepare, prepare, run };

if (require.main === module) {
  const [what, out] = process.argv.slice(2);
  if (what === "--code") {
    process.env.TSBPF_WARM_UP = "1";
    const { made, start } = script(undefined);
    start();
    process.on("exit", () => fs.writeFileSync(out, made.createCachedData(), { mode: 0o644 }));
  } else if (what === "--beside") {
    // After an installation. In a checkout, the build does it.
    if (!fs.existsSync(path.join(root, "scripts/build.mjs"))) void prepare({ beside: true });
  } else {
    void prepare({ beside: false });
  }
}
