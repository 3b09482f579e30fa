/** What the kernel itself says about its numbers: C headers, the running kernel's BTF, and the patched kernel's interface. */
import { spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { decodeBtf, sizeOfType, type Btf } from "../../compiler/object/btf.ts";

type Place = { readonly offset: number; readonly size: number };

export interface Truth {
  readonly what: string;
  /** Absent: this machine does not have it. */
  readonly reason?: string;
  /** The value of an enum constant or macro; undefined when this source does not know the name. */
  readonly value: (name: string) => number | undefined;
  /** Offset and size in bytes of a member of a struct, both named: "bpf_sock_ops.op". */
  readonly field: (name: string) => Place | undefined;
  /** All members of a struct by name; undefined when this source cannot list them. */
  readonly members: (struct: string) => ReadonlyMap<string, Place> | undefined;
}

const absent = (what: string, reason: string): Truth => ({
  what,
  reason: ` (skipped: ${reason})`,
  value: () => undefined,
  field: () => undefined,
  members: () => undefined,
});

/** The headers of this machine, through its C compiler. All names must be known beforehand. */
export function headers(names: readonly string[], fields: readonly string[]): Truth {
  const what = "/usr/include/linux";
  const tell = (values: readonly string[], members: readonly string[]): string =>
    [
      "#include <linux/bpf.h>\n#include <linux/btf.h>\n#include <linux/tcp.h>\n#include <sys/socket.h>\n#include <netinet/in.h>\n#include <stddef.h>\n#include <stdio.h>",
      "int main(void) {",
      ...values.map((name) => `printf("${name} %lld\\n", (long long)(${name}));`),
      ...members.map((name) => {
        const [struct, member] = name.split(".");
        return `printf(".${name} %zu %zu\\n", offsetof(struct ${struct}, ${member}), sizeof(((struct ${struct} *)0)->${member}));`;
      }),
      "return 0; }",
    ].join("\n");
  const compile = (source: string) =>
    spawnSync("sh", ["-c", 'd=$(mktemp -d) && gcc -w -x c - -o $d/a && $d/a; r=$?; rm -rf "$d"; exit $r'], {
      input: source,
      encoding: "utf8",
      env: { ...process.env, LC_ALL: "C" },
    });
  // Names newer than the headers are found by the compiler's complaints, and left out.
  const first = compile(tell(names, fields));
  if (first.error || /not found|fatal error/.test(first.stderr)) return absent(what, "no gcc, or no kernel headers");
  const unknown = new Set([
    ...[...first.stderr.matchAll(/'(\w+)' undeclared/g)].map((match) => match[1]!),
    ...[...first.stderr.matchAll(/has no member named '(\w+)'/g)].map((match) => match[1]!),
  ]);
  const known = (all: readonly string[]): string[] => all.filter((name) => !unknown.has(name.split(".").at(-1)!));
  const { status, stdout, stderr } = compile(tell(known(names), known(fields)));
  if (status !== 0) throw new Error(`gcc: ${stderr}`);
  const values = new Map<string, number>();
  const members = new Map<string, Place>();
  for (const line of stdout.trim().split("\n")) {
    const [name, ...numbers] = line.split(" ");
    if (name!.startsWith(".")) members.set(name!.slice(1), { offset: Number(numbers[0]), size: Number(numbers[1]) });
    else values.set(name!, Number(numbers[0]));
  }
  return { what, value: (name) => values.get(name), field: (name) => members.get(name), members: () => undefined };
}

const VMLINUX = "/sys/kernel/btf/vmlinux";

/** The running kernel, through our own BTF reader. */
export function runningKernel(): Truth {
  if (!existsSync(VMLINUX)) return absent(VMLINUX, "this kernel has no BTF");
  const read = decodeBtf(new Uint8Array(readFileSync(VMLINUX)));
  if ("problem" in read) throw new Error(read.problem.text);
  const values = new Map<string, number>();
  for (const type of read.value.types)
    if (type?.kind === "enum" || type?.kind === "enum64")
      for (const { name, value } of type.values) values.set(name, Number(value));
  const structs = new Map<string, ReadonlyMap<string, Place>>();
  const members = (struct: string): ReadonlyMap<string, Place> => {
    const id = read.value.types.findIndex((type) => type?.kind === "struct" && type.name === struct);
    const known = structs.get(struct) ?? (id < 0 ? new Map<string, Place>() : membersOf(read.value, id, 0));
    structs.set(struct, known);
    return known;
  };
  const field = (name: string): Place | undefined => {
    const [struct = "", member = ""] = name.split(".");
    return members(struct).get(member);
  };
  return { what: VMLINUX, value: (name) => values.get(name), field, members };
}

/** Members of a struct, those of anonymous unions included. */
function membersOf(btf: Btf, id: number, base: number): Map<string, Place> {
  const found = new Map<string, Place>();
  const type = btf.types[id];
  if (type?.kind !== "struct" && type?.kind !== "union") return found;
  for (const member of type.members) {
    const offset = base + member.offset / 8;
    if (member.name === "") for (const [name, place] of membersOf(btf, member.type, offset)) found.set(name, place);
    else found.set(member.name, { offset, size: sizeOfType(btf, member.type) });
  }
  return found;
}

type Uapi = Readonly<Record<string, Readonly<Record<string, number>>>> & {
  readonly sockOps: { readonly size: number; readonly fields: Readonly<Record<string, Place>> };
};

/** The numbers that the patched kernel's headers gave when it was built. */
export function patchedKernel(): Truth {
  const path = fileURLToPath(new URL("../../kernel/uapi.json", import.meta.url));
  if (!existsSync(path)) return absent("kernel/uapi.json", "the patched kernel was not built");
  const uapi = JSON.parse(readFileSync(path, "utf8")) as Uapi;
  const { sockOps, helpers, ...groups } = uapi;
  const values = new Map<string, number>(Object.values(groups).flatMap((group) => Object.entries(group)));
  for (const [name, id] of Object.entries(helpers!)) values.set(name.replace(/^bpf_/, "BPF_FUNC_"), id);
  return {
    what: "kernel/uapi.json",
    value: (name) => values.get(name),
    field: (name) => sockOps.fields[name.replace("bpf_sock_ops.", "")],
    members: (struct) => (struct === "bpf_sock_ops" ? new Map(Object.entries(sockOps.fields)) : undefined),
  };
}
