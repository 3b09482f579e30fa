"use strict";
// The user's cache directory, and what in it may be believed: what nobody but this user and root can have put there.
const fs = require("node:fs");
const path = require("node:path");

/** As bin/tsbpf finds it; undefined where neither variable has an absolute path. */
function cacheFolder() {
  const { XDG_CACHE_HOME: cache = "", HOME: home = "" } = process.env;
  // The basedir specification has relative paths ignored.
  if (path.isAbsolute(cache)) return path.join(cache, "tsbpf");
  return path.isAbsolute(home) ? path.join(home, ".cache", "tsbpf") : undefined;
}

/** A link that leads nowhere is there. */
const isThere = (file) => fs.lstatSync(file, { throwIfNoEntry: false }) !== undefined;

const OTHERS_MAY_WRITE = 0o022;
const STICKY = 0o1000;

/**
 * Whether nobody but this user and root can change what lies at a path: another user's data would be run as code. Every
 * part, from the top, is there and theirs, and others may write in none, or only as in /tmp, where nobody moves what is
 * another's. So it stays true; of a part that is missing, nothing could be said.
 */
function isSafe(file) {
  const me = process.geteuid?.();
  const there = path.resolve(file);
  if (!isThere(there)) return false;
  // Of the way as it is named the links count, too: whoever owns one says where it leads.
  return [there, fs.realpathSync(there)].every((way) => {
    const parts = way.split("/").filter(Boolean);
    return [...parts.keys(), parts.length].every((count) => {
      const stat = fs.lstatSync(`/${parts.slice(0, count).join("/")}`);
      const open = (stat.mode & OTHERS_MAY_WRITE) !== 0 && !(stat.isDirectory() && (stat.mode & STICKY) !== 0);
      return (stat.uid === 0 || stat.uid === me) && (stat.isSymbolicLink() || !open);
    });
  });
}

const READ = fs.constants.O_RDONLY | fs.constants.O_NOFOLLOW | fs.constants.O_NONBLOCK;

/** A regular file, opened once and judged by that handle; with `mine`, this user's alone. Throws where it is none. */
function readOwn(file, mine) {
  const fd = fs.openSync(file, READ);
  try {
    const stat = fs.fstatSync(fd, { bigint: true });
    if (!stat.isFile()) throw new Error("not a regular file");
    if (mine && (Number(stat.uid) !== process.geteuid?.() || (Number(stat.mode) & OTHERS_MAY_WRITE) !== 0))
      throw new Error("not this user's alone");
    return { stat, bytes: fs.readFileSync(fd) };
  } finally {
    fs.closeSync(fd);
  }
}

/**
 * Makes a folder and those above it, this user's alone, where nobody else can come in between: each is judged when it is
 * there, and before anything is made in it. Returns whether the folder is safe.
 */
function makeFolder(folder) {
  const way = path.resolve(folder);
  if (!isThere(way)) {
    if (!makeFolder(path.dirname(way))) return false;
    try {
      fs.mkdirSync(way, 0o700);
    } catch (error) {
      // Another process was quicker: whose, is asked now.
      if (error.code !== "EEXIST") throw error;
    }
  }
  return isSafe(way);
}

module.exports = { cacheFolder, isSafe, makeFolder, readOwn };
