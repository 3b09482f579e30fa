// Pins where others may write: refused by name, no link followed, and nothing removed but pins.
import {
  chmodSync,
  existsSync,
  lchownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, afterEach, beforeEach, describe, expect, it } from "vitest";
import { openObject, pinnedObjects, pinObject, removeObject, RuntimeError } from "../../runtime/api.ts";
import { loadModule } from "../../runtime/kernel/load.ts";
import { nameOfPin, pinName } from "../../runtime/kernel/names.ts";
import { openPinFolder } from "../../runtime/kernel/pin-folder.ts";
import { nothingHeld } from "./fixtures.ts";
import { int, mapSpec, moduleOf, returnOne, sockOps } from "./hand-made.ts";
import { openLab, sh, whyNot } from "./lab.ts";

const skip = whyNot();
const NOBODY = 65534;

describe.skipIf(skip)(skip ? `pin folders (skipped: ${skip})` : "pin folders", () => {
  const lab = skip ? undefined : openLab();
  let mount = "";
  let root = "";
  let files = "";
  beforeEach(() => {
    mount = mkdtempSync(join(tmpdir(), "tsbpf-bpffs-"));
    // The default mode: anybody may make files here, as in /tmp.
    sh("mount", "-t", "bpf", "bpf", mount);
    root = join(mount, "tsbpf");
    files = mkdtempSync(join(tmpdir(), "tsbpf-files-"));
    writeFileSync(join(files, "precious"), "kept");
  });
  afterEach(() => {
    sh("umount", mount);
    rmSync(mount, { recursive: true });
    rmSync(files, { recursive: true });
  });
  afterAll(() => {
    lab?.close();
    return nothingHeld("f_");
  });

  const loaded = (name = "f_object") =>
    loadModule(
      moduleOf({ maps: [mapSpec("f_map", "hash", int(32), int(32), 4)], programs: [sockOps("f_program", returnOne)] }),
      { name },
    );
  const pinned = (name = "f_object"): void => {
    const object = loaded(name);
    try {
      pinObject(object, [], root);
    } finally {
      object.close();
    }
  };
  const every = (folder: string): readonly (() => unknown)[] => [
    () => pinnedObjects(folder),
    () => removeObject("f_object", folder),
    () => openObject("f_object", folder),
    () => {
      const object = loaded();
      try {
        pinObject(object, [], folder);
      } finally {
        object.close();
      }
    },
  ];
  const refused = (folder: string, words: string): void => {
    for (const use of every(folder)) {
      let error: unknown;
      try {
        use();
      } catch (caught) {
        error = caught;
      }
      expect(error).toBeInstanceOf(RuntimeError);
      expect((error as RuntimeError).message).toContain(words);
      expect((error as RuntimeError).key).toBe("unsafe-pins");
      expect((error as RuntimeError).help).toContain("mode=0700");
    }
  };

  it("are made for the caller alone, on a mount that is open to all", () => {
    pinned();
    for (const part of ["", "objects", "objects/f_object", "objects/f_object/maps"])
      expect(statSync(join(root, part)).mode & 0o777).toBe(0o700);
    removeObject("f_object", root);
    expect(existsSync(root)).toBe(false);
  });

  it.each(["", "objects"])("of another user are refused (/%s)", (part) => {
    pinned();
    lchownSync(join(root, part), NOBODY, NOBODY);
    refused(root, `${join(root, part)} belongs to user ${NOBODY}, who could swap what is pinned there`);
    lchownSync(join(root, part), 0, 0);
    removeObject("f_object", root);
  });

  it.each(["", "objects", "objects/f_object", "objects/f_object/links"])(
    "that others may write are refused (/%s)",
    (part) => {
      pinned();
      mkdirSync(join(root, "objects/f_object/links"));
      for (const mode of [0o720, 0o702, 0o1777]) {
        chmodSync(join(root, part), mode);
        expect(() => removeObject("f_object", root)).toThrow("may be written by others");
      }
      chmodSync(join(root, part), 0o700);
      removeObject("f_object", root);
    },
  );

  it("below a mount that is not sticky are refused", () => {
    pinned();
    chmodSync(mount, 0o777);
    refused(root, `${mount} may be written by others`);
  });

  it("are not entered by links, in any place: the files behind them stay", () => {
    mkdirSync(root, { mode: 0o700 });
    mkdirSync(join(root, "objects"), { mode: 0o700 });
    mkdirSync(join(root, "objects/x"), { mode: 0o700 });
    for (const kind of ["programs", "maps", "links"]) {
      symlinkSync(files, join(root, "objects/x", kind));
      expect(() => removeObject("x", root)).toThrow("is a symbolic link");
      expect(readdirSync(files)).toEqual(["precious"]);
      rmSync(join(root, "objects/x", kind));
    }
    mkdirSync(join(root, "objects/x/programs"), { mode: 0o700 });
    symlinkSync(join(files, "precious"), join(root, "objects/x/programs/p"));
    expect(() => removeObject("x", root)).toThrow("is a symbolic link, not a pin");
    rmSync(join(root, "objects/x"), { recursive: true });
    symlinkSync(files, join(root, "objects/x"));
    expect(() => removeObject("x", root)).toThrow("is a symbolic link");
    rmSync(join(root, "objects/x"));
    rmSync(join(root, "objects"), { recursive: true });
    symlinkSync(files, join(root, "objects"));
    expect(() => pinnedObjects(root)).toThrow("is a symbolic link");
    rmSync(root, { recursive: true });
    symlinkSync(files, root);
    refused(root, `${root} is a symbolic link`);
    expect(readdirSync(files)).toEqual(["precious"]);
  });

  it("behind another user's link outside of the bpffs are refused, behind one's own they are not", () => {
    pinned();
    const link = join(files, "link");
    symlinkSync(root, link);
    expect(pinnedObjects(link)).toEqual(["f_object"]);
    lchownSync(link, NOBODY, NOBODY);
    refused(link, `${link} is a link of user ${NOBODY}`);
  });

  it("take no mount of something else for a part of them, and remove no file of it", () => {
    pinned();
    const programs = join(root, "objects/f_object/programs");
    sh("mount", "--bind", files, programs);
    try {
      expect(() => removeObject("f_object", root)).toThrow("is on another file system");
      expect(readdirSync(files)).toEqual(["precious"]);
    } finally {
      sh("umount", programs);
    }
    sh("mount", "--bind", join(files, "precious"), join(programs, "f_program"));
    try {
      expect(() => removeObject("f_object", root)).toThrow();
    } finally {
      sh("umount", join(programs, "f_program"));
    }
    expect(readdirSync(files)).toEqual(["precious"]);
  });

  it("are worked on by handle: a swap after the check changes nothing elsewhere", () => {
    pinned();
    const folder = openPinFolder(join(root, "objects/f_object/maps"))!;
    sh("mv", join(root, "objects"), join(root, "moved"));
    symlinkSync(files, join(root, "objects"));
    writeFileSync(join(files, "f_map"), "kept");
    folder.remove("f_map");
    folder.close();
    expect(readdirSync(files)).toEqual(["f_map", "precious"]);
    expect(existsSync(join(root, "moved/f_object/maps/f_map"))).toBe(false);
  });

  it("are taken apart as far as they go when an object is broken", () => {
    pinned();
    mkdirSync(join(root, "objects/f_object/maps/strange"));
    expect(() => removeObject("f_object", root)).toThrow("strange is a directory, not a pin");
    expect(readdirSync(join(root, "objects/f_object"))).toEqual(["maps"]);
    expect(readdirSync(join(root, "objects/f_object/maps"))).toEqual(["strange"]);
  });

  it("hold names of any kind apart", () => {
    const names = ["a.b", "a_b", "a$b", "a b", "a%2Eb", "__proto__", "constructor", "é"];
    for (const name of names) pinned(name);
    expect([...pinnedObjects(root)].toSorted()).toEqual(names.toSorted());
    for (const name of names) {
      const opened = openObject(name, root);
      expect(Object.keys(opened.object.maps)).toEqual(["f_map"]);
      expect(opened.object.maps["constructor"]).toBeUndefined();
      opened.close();
      removeObject(name, root);
    }
    expect(() => pinned("")).toThrow("a pin needs a name");
    expect(() => pinned("x".repeat(300))).toThrow("is too long to pin under");
    expect(existsSync(root)).toBe(false);
  });

  it("hold programs and maps of any name", () => {
    const odd = ["__proto__", "constructor", "f_a$b", "f_a_b", "f_a.b"];
    const object = loadModule(
      moduleOf({
        maps: odd.map((name) => mapSpec(name, "hash", int(32), int(32), 4)),
        programs: odd.map((name) => sockOps(name, returnOne)),
      }),
      { name: "f_odd" },
    );
    odd.forEach((name, index) => object.maps[name]!.set(1, index));
    pinObject(object, [], root);
    object.close();
    const again = openObject("f_odd", root);
    expect(Object.keys(again.object.programs).toSorted()).toEqual(odd.toSorted());
    odd.forEach((name, index) => expect(again.object.maps[name]!.get(1)).toBe(index));
    again.close();
    removeObject("f_odd", root);
  });
});

describe("names of pins", () => {
  it("come back as they were, and differ where names differ", () => {
    const names = ["a", "a.b", "a_b", "a/b", "a$b", "%", "%41", "A", "日本", ".rodata", "_rodata"];
    expect(new Set(names.map(pinName)).size).toBe(names.length);
    for (const name of names) {
      expect(pinName(name)).toMatch(/^[A-Za-z0-9_%-]+$/);
      expect(nameOfPin(pinName(name))).toBe(name);
    }
    expect(nameOfPin("%zz")).toBe("%zz");
    expect(nameOfPin("%41")).toBe("%41");
  });
});
