#!/usr/bin/env node
"use strict";
// The ordinary start of the command, when there is no snapshot that fits (see the script `tsbpf` beside this file) and for
// the commands that talk to the kernel: the bundle runs through V8's code cache, where there is one.
const { spawn } = require("node:child_process");
const startup = require("./startup.cjs");

const [major, minor] = process.versions.node.split(".").map(Number);
if (major < 20 || (major === 20 && minor < 11)) {
  process.stderr.write(`error: tsbpf needs Node.js 20.11 or later, and this is ${process.version}\n`);
  process.exit(1);
}
if (startup.buildId() === undefined) {
  process.stderr.write("error: tsbpf is not built here yet: run `npm ci` or `npm run build` in its folder\n");
  process.exit(1);
}
// The launcher says so when it looked for a snapshot in vain.
const slow = process.env.TSBPF_NO_SNAPSHOT_FITS !== undefined;
delete process.env.TSBPF_NO_SNAPSHOT_FITS;
if (process.env.TSBPF_NO_CODE_CACHE) {
  startup.run(undefined);
} else {
  const accepted = startup.run(startup.findCodeCache());
  if ((slow || !accepted) && startup.mayPrepare()) {
    // Another process makes it for the next time, whether this one has ended or not: nobody waits for it.
    process.once("exit", () => {
      spawn(process.execPath, [require.resolve("./startup.cjs")], { detached: true, stdio: "ignore", cwd: "/" })
        .on("error", () => undefined)
        .unref();
    });
  }
}
