/** Packages in a folder where others plant links: nothing behind them is written, whether it is there or not. */
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openPackageRig, type PackageRig } from "./rig.ts";

let rig: PackageRig;
let open: string;
let theirs: string;
beforeAll(() => {
  rig = openPackageRig();
  open = join(rig.folder, "open");
  theirs = join(rig.folder, "theirs");
  mkdirSync(open, { mode: 0o1777 });
  mkdirSync(theirs);
  writeFileSync(join(theirs, "file"), "theirs\n");
  for (const name of ["x.conf", "x.tar", "x"]) symlinkSync(join(theirs, "file"), join(open, name));
  for (const name of ["y.conf", "y.tar", "y"]) symlinkSync(join(theirs, "absent"), join(open, name));
  symlinkSync(theirs, join(open, "z"));
});
afterAll(() => rig.close());

test.each([
  ["systemd", "user-timeout.ts", "x.conf"],
  ["systemd", "user-timeout.ts", "y.conf"],
  ["helm", "service.json", "x.tar"],
  ["helm", "service.json", "y.tar"],
  ["helm", "service.json", "x"],
  ["helm", "service.json", "y"],
  ["helm", "service.json", "z"],
])("%s of %s to %s, a planted link", (format, file, output) => {
  const { code, stderr } = rig.make([format, file, "--image", "r/t:1", "-o", join(open, output)]);
  expect([code, stderr]).toEqual([1, expect.stringMatching(/^error\[output-exists\]/)]);
  expect(readdirSync(theirs)).toEqual(["file"]);
  expect(readFileSync(join(theirs, "file"), "utf8")).toBe("theirs\n");
});

test("what is written belongs to who writes it, and others may not", () => {
  expect(rig.make(["helm", "service.json", "--image", "r/t:1", "-o", join(open, "mine")]).code).toBe(0);
  for (const path of ["mine", "mine/templates", "mine/Chart.yaml"]) {
    const { uid, mode } = statSync(join(open, path));
    expect([uid, mode & 0o022]).toEqual([process.geteuid!(), 0]);
  }
  expect(existsSync(join(open, "mine/values.yaml"))).toBe(true);
});
