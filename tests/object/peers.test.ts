/** Other people's tools on the objects that we write: the kernel through libbpf and bpftool, LLVM's readers. */
import { execFileSync, spawnSync } from "node:child_process";
import { describe, expect, test } from "vitest";
import { disassemble } from "../../compiler/bpf/disassemble.ts";
import { MAP_TYPES } from "../../compiler/bpf/map-types.ts";
import { decodeSlots } from "../../compiler/bpf/raw.ts";
import { sizeOf } from "../../compiler/layout.ts";
import type { BpfModule } from "../../compiler/module.ts";
import { readElf } from "../../compiler/object/elf.ts";
import { placeFinder } from "../../compiler/object/lines.ts";
import { writeObject } from "../../compiler/object/write.ts";
import { sectionTexts } from "./disassembly.ts";
import { bpftool, libbpf, unpinned } from "./kernel.ts";
import { objdump, tool, withFile } from "./llvm.ts";
import { handWritten, least, sample, withFunctions } from "./modules.ts";

const loader = bpftool();
const library = libbpf(loader);
const readelf = tool("llvm-readelf-19");

describe.skipIf(!loader.available)(`bpftool${loader.reason}`, () => {
  test.each(handWritten)("loads: %s", (_, module) => {
    for (const { name } of module.programs)
      loader.load(writeObject(unpinned(module)), (pin) =>
        expect(loader.run("prog", "show", "pinned", pin(name))).toContain(`name ${name}`),
      );
  });

  test("shows TypeScript lines in front of the instructions that came from them", () => {
    const shown = loader.load(writeObject(unpinned(sample)), (pin) =>
      loader.run("prog", "dump", "xlated", "pinned", pin("sample"), "linum"),
    );
    const lines = shown.split("\n").filter((line) => line.startsWith(";"));
    expect(lines).toEqual([
      "; const seen = counts.get(ctx.op); [file:programs/sample.ts line_num:4 line_col:16]",
      "; if (!seen) return 1; [file:programs/sample.ts line_num:5 line_col:14]",
      "; return x.n; [file:programs/helper.ts line_num:2 line_col:10]",
      "; if (!seen) return 1; [file:programs/sample.ts line_num:5 line_col:14]",
    ]);
  });

  test("shows the lines of every function", () => {
    const shown = loader.load(writeObject(withFunctions), (pin) =>
      loader.run("prog", "dump", "xlated", "pinned", pin("outer"), "linum"),
    );
    const heads = shown.split("\n").filter((line) => /^\w.*\):$/.test(line));
    expect(heads.map((line) => /(\w+)\(/.exec(line)?.[1])).toEqual(["outer", "inner", "last"]);
    expect(shown.split("\n").filter((line) => line.includes("line_num:5")).length).toBe(3);
  });

  test("understands every type", () => {
    const shown = withFile(writeObject(sample), (path) => loader.run("btf", "dump", "file", path));
    expect(shown).toContain("STRUCT 'Address' size=8 vlen=3");
    expect(shown).toContain("TYPEDEF '__be16'");
    expect(shown).toContain("DATASEC '.rodata' size=16 vlen=3");
    expect(shown).toContain("FUNC 'sample'");
    const c = withFile(writeObject(sample), (path) => loader.run("btf", "dump", "file", path, "format", "c"));
    expect(c).toMatch(/struct Wire \{\s*__u8 kind;\s*__be32 value;\s*__u8 rest\[3\];\s*\} __attribute__\(\(packed\)\)/);
  });

  test("makes a skeleton with params and variables", () => {
    const skeleton = withFile(writeObject(sample), (path) => loader.run("gen", "skeleton", path, "name", "sample"));
    expect(skeleton).toMatch(/__u16 scale;\s*__u32 limit;\s*char gr__e_1\[8\];/);
    expect(skeleton).toContain("__u64 total;");
    // The skeleton asserts the size of each variable against the host's own types.
    const check = spawnSync("gcc", ["-fsyntax-only", "-x", "c", "-include", "linux/types.h", "-"], {
      input: skeleton,
      encoding: "utf8",
    });
    if (!check.error) expect(check.stderr).toBe("");
  });
});

describe.skipIf(!library.available)(`libbpf${library.reason}`, () => {
  test.each(handWritten)("loads and sees what was written: %s", (_, module) => {
    const lines = library.load(writeObject(module));
    for (const map of module.maps) {
      const ring = map.type === "ringbuf";
      const number = MAP_TYPES[map.type as keyof typeof MAP_TYPES].number;
      const size = map.value && !ring ? sizeOf(map.value) : 0;
      const flags = map.flags === 0 ? "0" : `0x${map.flags.toString(16)}`;
      expect(lines).toContain(
        `map ${map.name} type=${number} key=${map.key ? sizeOf(map.key) : 0} value=${size} max=${map.maxEntries} flags=${flags} pin=${map.pinned ? "yes" : "no"}`,
      );
    }
    for (const program of module.programs) {
      const line = lines.find((each) => each.startsWith(`program ${program.name} `))!;
      expect(line).toContain(`section=${program.section} `);
      expect(line).toContain(`attach=${program.attachType} slots=${program.insns.length} `);
      expect(line).toContain(`functions=${program.functions.length} lines=${expectedLines(module, program.name)}`);
    }
  });

  test("says what is wrong with an object whose program is wrong", () => {
    const broken: BpfModule = {
      ...least,
      programs: [{ ...least.programs[0]!, insns: least.programs[0]!.insns.slice(1) }],
    };
    expect(() => library.load(writeObject(broken))).toThrow(/R0 !read_ok/);
  });
});

/** One line for each run of instructions with one place, counted anew in every function. */
function expectedLines(module: BpfModule, name: string): number {
  const place = placeFinder(module.sources);
  const program = module.programs.find((each) => each.name === name)!;
  let count = 0;
  let before = "";
  for (const { slot, span } of program.lines) {
    const { path, line, column } = place(span)!;
    const at = `${path}:${line}:${column}`;
    if (at !== before || program.functions.some((each) => each.slot === slot)) count++;
    before = at;
  }
  return count;
}

describe.skipIf(!readelf.available)(`llvm-readelf-19${readelf.reason}`, () => {
  test.each(handWritten)("has nothing to complain about: %s", (_, module) => {
    withFile(writeObject(module), (path) => {
      const text = execFileSync("llvm-readelf-19", ["-a", path], {
        encoding: "utf8",
        stdio: ["ignore", "pipe", "pipe"],
      });
      expect(text).not.toMatch(/warning|error/i);
      expect(text).toContain("EM_BPF");
    });
  });
});

describe.skipIf(!objdump.available)(`llvm-objdump-19${objdump.reason}`, () => {
  test.each(handWritten)("prints our text: %s", (_, module) => {
    const object = writeObject(module);
    expect(objdump.run(object)).toEqual(sectionTexts(object));
  });
});

test("the text that the peers are compared with has every instruction", () => {
  const elf = readElf(writeObject(sample));
  if ("problem" in elf) throw new Error(elf.problem.text);
  const code = elf.value.sections.find(({ name }) => name === "sockops")!;
  expect(sectionTexts(writeObject(sample)).length).toBe(2 * (sample.programs[0]!.insns.length - 3));
  expect(disassemble(decodeSlots(code.data), 0).text).toBe("r1 = *(u32 *)(r1 + 0x0)");
});
