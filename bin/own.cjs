"use strict";
// The user's cache directory, and what in it may be believed: what nobody but this user and root can have put there.
const fs = require("node:fs");
const os = require("node:os");
const path = require("node:path");

function cacheFolder() {
  const { XDG_CACHE_HOME: cache } = process.env;
  // The basedir specification has relative paths ignored.
  return path.join(cache && path.isAbsolute(cache) ? cache : path.join(os.homedir(), ".cache"), "tsbpf");
}

const OTHERS_MAY_WRITE = 0o022;
const STICKY = 0o1000;

/**
 * Whether nobody but this user and root can change what lies at a path, or would be made there: another user's data would
 * be run as code. Every part that exists, from the top, is theirs, and others may write in none, or only as in /tmp.
 */
function isSafe(file) {
  const me = process.geteuid?.();
  let there = path.resolve(file);
  while (!fs.existsSync(there)) there = path.dirname(there);
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

/** Makes a folder and those above it, this user's alone. One at a time: Node's recursive mkdir never returns below /proc. */
function makeFolder(folder) {
  if (fs.existsSync(folder)) return;
  makeFolder(path.dirname(folder));
  fs.mkdirSync(folder, 0o700);
}

module.exports = { cacheFolder, isSafe, makeFolder, readOwn };
