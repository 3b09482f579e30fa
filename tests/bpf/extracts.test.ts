/** The extracts of the kernel's types in the repository: of older releases as well, each what its kernel says where that is at hand. */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { userInfo } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import {
  EXTRACTED,
  EXTRACTS,
  extractedTypes,
  findMember,
  kernelTypes,
  printKernelTypes,
  sizeOfKernelType,
} from "../../compiler/bpf/kernel-types.ts";
import {
  ACK_SAMPLE,
  RATE_SAMPLE,
  SEEN_STRUCTS,
  TCP_SOCK,
  type SeenMember,
} from "../../compiler/bpf/tcp-sock-members.ts";
import { kernels } from "../../compiler/bpf/kernels.ts";
import { versionIn, type Version } from "../../compiler/bpf/verifier-rules.ts";
import { compile } from "../../compiler/compile.ts";
import { decodeBtf } from "../../compiler/object/btf.ts";
import { extractTypes } from "../../compiler/object/extract-types.ts";
import { root, sourceText } from "../programs.ts";

type Members = Readonly<Record<string, SeenMember>>;
const releases = Object.keys(EXTRACTS) as (keyof typeof EXTRACTS)[];
const OF_CONGESTION_CONTROL: Readonly<Record<string, Members>> = {
  tcp_sock: TCP_SOCK,
  ack_sample: ACK_SAMPLE,
  rate_sample: RATE_SAMPLE,
};
/** What a release has of members: kind, bytes, sign, bits. */
const told = (version: Version, structs: Readonly<Record<string, Members>>): string[] =>
  Object.entries(structs).flatMap(([struct, members]) =>
    Object.values(members).map(({ member }) => {
      const types = extractedTypes(version);
      const found = findMember(types, struct, member);
      const sign = found?.type.kind === "int" ? found.type.signed : "";
      return `${struct}.${member}: ${found?.type.kind} ${found && sizeOfKernelType(types, found.type)} ${sign} ${found?.bits}`;
    }),
  );

test("a version has the newest extract that is not newer, or the oldest", () => {
  const of = (version: Version): string => extractedTypes(version).release;
  expect([of("5.13"), of("6.1"), of("6.4"), of("6.12"), of("6.17"), of("6.18"), of("7.2")]).toEqual([
    "6.1",
    "6.1",
    "6.1",
    "6.12",
    "6.12",
    "6.18",
    "6.18",
  ]);
  expect(kernelTypes()).toBe(extractedTypes("6.18"));
});

test.each(releases)("what congestion controls see is in %s, of the same kind and size", (release) => {
  expect(told(release, OF_CONGESTION_CONTROL)).toEqual(told("6.18", OF_CONGESTION_CONTROL));
});
test("what schedulers see is in the patched kernel", () => {
  expect(told(kernels.patched.oldest, SEEN_STRUCTS)).toEqual(told("6.18", SEEN_STRUCTS));
});

test("members lie elsewhere: the extracts are not copies of each other", () => {
  const at = (release: Version): number => findMember(extractedTypes(release), "tcp_sock", "snd_cwnd")!.offset;
  expect(new Set(releases.map(at)).size).toBe(releases.length);
});

test("a member that the oldest kernel lacks is an error where it is used, and names that kernel", () => {
  const text = `
import { license } from "tsbpf";
import { scheduler } from "tsbpf/mptcp";
license("GPL");
export const mine = scheduler({
  getSend(session) {
    for (const one of session.subflows(2)) {
      if (session.bytesSent > 5n) one.schedule();
      return true;
    }
    return false;
  },
});`;
  expect(compile({ path: "mine.ts", text }).module).toBeDefined();
  const older = { ...extractedTypes("6.1"), release: "mine" };
  const { diagnostics } = compile({ path: "mine.ts", text }, { types: older });
  expect(diagnostics.map(({ key, message }) => `${key}: ${message}`)).toContain(
    "kernel-member: the kernel's mptcp_sock has no bytes_sent of this kind in the types of mine",
  );
});

test.each(["cubic", "dctcp", "ledbat", "reno", "vegas"])("%s is built for each release", (name) => {
  for (const release of releases)
    expect(
      compile({ path: `${name}.ts`, text: sourceText(name) }, { kernel: release }).diagnostics.filter(
        ({ severity }) => severity === "error",
      ),
    ).toEqual([]);
});

const STARTS: readonly (readonly [tool: string, magic: readonly number[]])[] = [
  ["xz", [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0]],
  ["zstd", [0x28, 0xb5, 0x2f, 0xfd]],
  ["lz4", [2, 0x21, 0x4c, 0x18]],
];
const ELF_MAGIC = 0x7f454c46;
/** A section of vmlinux, which is larger than what our reader of objects takes. */
function sectionOf(elf: Buffer, wanted: string): Uint8Array | undefined {
  const [table, count, names] = [Number(elf.readBigUInt64LE(40)), elf.readUInt16LE(60), elf.readUInt16LE(62)];
  const row = (index: number): Buffer => elf.subarray(table + 64 * index);
  const data = (header: Buffer): Buffer => {
    const [from, bytes] = [Number(header.readBigUInt64LE(24)), Number(header.readBigUInt64LE(32))];
    return elf.subarray(from, from + bytes);
  };
  const texts = data(row(names));
  for (let index = 0; index < count; index++) {
    const name = row(index).readUInt32LE(0);
    if (texts.toString("latin1", name, texts.indexOf(0, name)) === wanted) return new Uint8Array(data(row(index)));
  }
  return undefined;
}
/** The BTF in a compressed kernel image: the first stream in it that is an ELF file. */
function btfOfImage(path: string): Uint8Array | undefined {
  const image = readFileSync(path);
  for (const [tool, magic] of STARTS)
    for (let at = image.indexOf(Buffer.from(magic)); at >= 0; at = image.indexOf(Buffer.from(magic), at + 1)) {
      const { stdout } = spawnSync(tool, ["-dcq"], { input: image.subarray(at), maxBuffer: 1 << 30 });
      if (stdout && stdout.length > 64 && stdout.readUInt32BE(0) === ELF_MAGIC) return sectionOf(stdout, ".BTF");
    }
  return undefined;
}

/** Images that the extracts can be compared with: that of the patched kernel, and one of 6.1 that is installed. */
const SOURCES: readonly { readonly release: keyof typeof EXTRACTS; readonly path: string | undefined }[] = [
  { release: "6.12", path: cached() },
  { release: "6.1", path: process.env["TSBPF_IMAGE_6_1"] },
];
function cached(): string | undefined {
  if (process.platform !== "linux" || process.arch !== "x64") return undefined;
  // Tests have a home of their own, where no kernel is.
  const { XDG_CACHE_HOME: _, ...env } = process.env;
  const own = { encoding: "utf8", env: { ...env, HOME: userInfo().homedir } } as const;
  const found = spawnSync(join(root, "kernel/build.sh"), ["--if-cached"], own);
  return found.status === 0 ? join(found.stdout.trim(), "bzImage") : undefined;
}
describe.each(SOURCES)("the extract of $release", ({ release, path }) => {
  const reason =
    path === undefined || !existsSync(path)
      ? ` (skipped: no image of it${release === "6.1" ? "; TSBPF_IMAGE_6_1 names one of Debian's" : " in the cache"})`
      : undefined;
  test.skipIf(reason !== undefined)(`is what that kernel's BTF says${reason ?? ""}`, () => {
    const btf = decodeBtf(btfOfImage(path!)!);
    if ("problem" in btf) throw new Error(btf.problem.text);
    const theirs = extractTypes(btf.value, EXTRACTED, versionIn(release)!);
    expect(printKernelTypes(theirs)).toBe(EXTRACTS[release]);
  });
});
