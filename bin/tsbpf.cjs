#!/usr/bin/env node
"use strict";
// Starts the bundled command through V8's code cache: compiling ten megabytes of TypeScript compiler costs more than
// running it. The cache is this user's own, made by this very Node, and every failure around it is harmless.
const fs = require("node:fs");
const os = require("node:os");
const path = require("node:path");
const vm = require("node:vm");
const { createHash } = require("node:crypto");

const bundle = path.join(__dirname, "..", "dist", "cli.cjs");
if (!fs.existsSync(bundle)) {
  process.stderr.write("tsbpf is not built here yet: run `npm ci` or `npm run build` in its folder\n");
  process.exit(1);
}

function cacheFile(stat) {
  const base = process.env.XDG_CACHE_HOME || path.join(os.homedir(), ".cache");
  const key = `${bundle}\0${stat.size}\0${stat.mtimeMs}\0${process.version}\0${process.arch}\0${v8Flags()}`;
  return path.join(base, "tsbpf", `code-${createHash("sha256").update(key).digest("hex").slice(0, 24)}.bin`);
}
function v8Flags() {
  return String(require("node:v8").cachedDataVersionTag());
}

/** The cache, only when it is a plain file of this user's (another user's data would be run as code). */
function readCache(file) {
  let fd;
  try {
    fd = fs.openSync(file, fs.constants.O_RDONLY | (fs.constants.O_NOFOLLOW ?? 0));
    const stat = fs.fstatSync(fd);
    const mine = typeof process.getuid !== "function" || (stat.uid === process.getuid() && (stat.mode & 0o022) === 0);
    return stat.isFile() && mine ? fs.readFileSync(fd) : undefined;
  } catch {
    return undefined;
  } finally {
    if (fd !== undefined) fs.closeSync(fd);
  }
}

/** One folder at a time: Node's recursive mkdir never returns below /proc. */
function makeFolder(folder) {
  if (fs.existsSync(folder)) return;
  makeFolder(path.dirname(folder));
  fs.mkdirSync(folder, 0o700);
}

function writeCache(file, data) {
  const part = `${file}.${process.pid}`;
  try {
    makeFolder(path.dirname(file));
    for (const old of fs.readdirSync(path.dirname(file))) {
      if (/^code-[0-9a-f]{24}\.bin$/.test(old)) fs.rmSync(path.join(path.dirname(file), old), { force: true });
    }
    fs.writeFileSync(part, data, { mode: 0o600, flag: "wx" });
    fs.renameSync(part, file);
  } catch {
    // A cache is never worth an error.
    if (fs.existsSync(part)) fs.rmSync(part, { force: true });
  }
}

const file = process.env.TSBPF_NO_CODE_CACHE ? undefined : cacheFile(fs.statSync(bundle));
const cached = file && readCache(file);
const script = new vm.Script(
  `(function (exports, require, module, __filename, __dirname) {${fs.readFileSync(bundle, "utf8")}\n})`,
  {
    filename: bundle,
    ...(cached ? { cachedData: cached } : {}),
  },
);
const main = { exports: {} };
script
  .runInThisContext()
  .call(main.exports, main.exports, require("node:module").createRequire(bundle), main, bundle, path.dirname(bundle));
if (file && (!cached || script.cachedDataRejected)) {
  // After the work is done, so that the functions it compiled are in the cache too.
  process.on("exit", () => writeCache(file, script.createCachedData()));
}
