// The command on network namespaces, on the patched kernel in a virtual machine.
import { beforeAll, describe, expect, it } from "vitest";
import { cachedKernel, missingTool, runInVm } from "./kernel.ts";
import { bundleScenario } from "./runtime/bundle.ts";

const kernel = cachedKernel();
const skip = kernel.missing ?? missingTool("qemu-system-x86_64", "ip", "nsenter");

describe.skipIf(skip)(`programs on network namespaces${skip ? ` (skipped: ${skip})` : ""}`, () => {
  const found = new Map<string, Record<string, unknown>>();
  beforeAll(async () => {
    const { code, stdout, stderr } = runInVm(["node", await bundleScenario(), "namespaces"]);
    for (const line of stdout.split("\n")) {
      if (!line.startsWith('{"name"')) continue;
      const { name, ...facts } = JSON.parse(line) as { name: string } & Record<string, unknown>;
      found.set(name, facts);
    }
    expect(code, `${stdout}\n${stderr}`).toBe(0);
    expect(found.has("end")).toBe(true);
  });

  it("are a path manager for each, whatever cgroup the sockets are in", () => {
    expect(JSON.parse(String(found.get("load")!["said"]))).toMatchObject({
      name: "two",
      cgroups: [],
      namespaces: ["B"],
    });
    expect(found.get("session of A")).toEqual({ subflows: 4 });
    expect(found.get("session of B")).toEqual({ subflows: 2 });
  });
  it("are listed by the namespace's name", () => {
    const text = String(found.get("list")!["said"]);
    expect(text).toMatch(/^LINK +PROGRAM +ID +HELD BY +ATTACHED TO\n/);
    expect(text).toMatch(/^\d+ +ndiffports +\d+ +two +netns B$/m);
    // Its own process is no holder that the command would name.
    expect(text).toMatch(/^\d+ +ndiffports +\d+ +\(.*\) +netns A$/m);
    const { attached } = JSON.parse(String(found.get("list as JSON")!["said"])) as { attached: unknown[] };
    expect(attached).toContainEqual(expect.objectContaining({ object: "two", cgroup: null, netns: "B" }));
    expect(attached).toContainEqual(expect.objectContaining({ object: null, cgroup: null, netns: "A" }));
  });
  it("are replaced in their links, and moved by a name", () => {
    expect(found.get("replace")).toMatchObject({
      code: 0,
      said: expect.stringContaining("attached to netns B") as string,
    });
    expect(found.get("links")).toEqual({ same: true, count: 2 });
    expect(found.get("session after replace")).toEqual({ subflows: 5 });
    expect(found.get("move")).toMatchObject({
      code: 0,
      said: expect.stringContaining("attached to netns A") as string,
    });
  });
  it("end by detach, and with the command", () => {
    expect(JSON.parse(String(found.get("detach")!["said"]))).toEqual({
      detached: "two",
      cgroups: [],
      namespaces: ["A"],
    });
    expect(found.get("session after detach")).toEqual({ subflows: 1 });
    expect(found.get("run")).toMatchObject({ code: 0 });
    expect(found.get("left")).toEqual({ links: 0 });
    expect(found.get("detach all")).toMatchObject({
      code: 0,
      said: expect.stringContaining("detached from netns A") as string,
    });
  });
  it("stand beside each other", () => {
    expect(found.get("beside another")).toMatchObject({ code: 0 });
    expect(found.get("session beside an option")).toEqual({ subflows: 3 });
  });
  it("are refused where there is no namespace, and for what only cgroups have", () => {
    expect(found.get("absent")).toMatchObject({ key: "no-netns", message: "no such network namespace: LAB-none" });
    expect(found.get("no namespace")).toMatchObject({
      key: "no-netns",
      message: "/tmp/no-namespace is not a network namespace",
    });
    expect(found.get("a hook")).toMatchObject({
      key: "attach",
      message: expect.stringContaining("does not attach to a network namespace") as string,
      help: "it attaches to a cgroup: --cgroup DIR",
    });
  });
  it("end the command when the namespace is removed", () => {
    expect(found.get("gone")).toMatchObject({
      key: "ended",
      message: expect.stringContaining("was removed") as string,
    });
    expect(found.get("left at last")).toEqual({ links: 0 });
  });
});
