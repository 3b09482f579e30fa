/** The running kernel's BTF says the same as the tables: its structs, the functions of structs, and the functions that programs call. */
import { existsSync, readFileSync } from "node:fs";
import { release } from "node:os";
import { describe, expect, test } from "vitest";
import { beginsWith, EXTRACTED, findMember, kernelTypes, sizeOfKernelType } from "../../compiler/bpf/kernel-types.ts";
import { KFUNCS, type Kfunc, type KfuncType } from "../../compiler/bpf/kfuncs.ts";
import { OPS_STRUCTS, type OpArgument, type OpsStruct } from "../../compiler/bpf/kinds/struct-ops.ts";
import { hasCome } from "../../compiler/bpf/since.ts";
import { SEEN_STRUCTS } from "../../compiler/bpf/tcp-sock-members.ts";
import { versionIn } from "../../compiler/bpf/verifier-rules.ts";
import { decodeBtf, resolved, sizeOfType, type Btf, type BtfType } from "../../compiler/object/btf.ts";
import { extractTypes } from "../../compiler/object/extract-types.ts";

const FILE = "/sys/kernel/btf/vmlinux";
const version = versionIn(release());
const reason = !existsSync(FILE) ? ` (skipped: there is no ${FILE})` : version ? undefined : " (skipped: no release)";
const read = reason === undefined ? decodeBtf(new Uint8Array(readFileSync(FILE))) : undefined;
const btf: Btf = read && "value" in read ? read.value : { types: [], offsets: [], strings: new Uint8Array() };

const named = (kind: "struct" | "func", name: string): BtfType | undefined =>
  btf.types.find((type) => type?.kind === kind && type.name === name);

/** A type as the tables speak of it: "void", "void*", "*NAME" of a pointer to a struct, or bytes and sign of a number. */
function textOf(id: number): string {
  const type = resolved(btf, id);
  if (type === undefined) return "void";
  if (type.kind === "int" || type.kind === "enum" || type.kind === "enum64")
    return `${sizeOfType(btf, id)}${type.kind === "int" && type.signed ? " signed" : ""}`;
  if (type.kind !== "ptr") return type.kind;
  const to = resolved(btf, type.type);
  return to === undefined ? "void*" : to.kind === "struct" ? `*${to.name}` : `pointer to ${to.kind}`;
}

describe.skipIf(reason !== undefined)(`structs${reason ?? ""}`, () => {
  test("members that programs see or write are there, of the same width and sign; at the same places where the structs are as large", () => {
    const mine = kernelTypes();
    const theirs = extractTypes(btf, EXTRACTED, "here");
    const wanted = [
      ...Object.entries(SEEN_STRUCTS).flatMap(([struct, members]) =>
        Object.values(members).map(({ member }) => [struct, member] as const),
      ),
      ...Object.values<OpsStruct>(OPS_STRUCTS).flatMap(({ writes }) =>
        Object.entries(writes).flatMap(([struct, { members }]) => members.map((member) => [struct, member] as const)),
      ),
    ];
    const told = (types: typeof mine): string[] =>
      wanted.map(([struct, member]) => {
        const found = findMember(types, struct, member);
        const same = mine.structs.get(struct)?.bytes === theirs.structs.get(struct)?.bytes;
        const { kind, ...rest } = found?.type ?? { kind: "nothing" };
        const bytes = found && sizeOfKernelType(types, found.type);
        return `${struct}.${member}: ${kind} ${bytes} ${"signed" in rest ? rest.signed : ""} ${found?.bits ?? ""} ${same ? found?.offset : ""}`;
      });
    expect(wanted.length).toBeGreaterThan(70);
    expect(told(theirs)).toEqual(told(mine));
  });
});

describe.skipIf(reason !== undefined).each(Object.entries<OpsStruct>(OPS_STRUCTS))(
  `functions of struct %s${reason ?? ""}`,
  (struct, { members }) => {
    const type = named("struct", struct);
    const here = Object.entries(members).filter(([, { since }]) => hasCome(since, version!));
    test.each(here)("%s", (_, { member, args, returns }) => {
      const found = type?.kind === "struct" ? type.members.find(({ name }) => name === member) : undefined;
      const pointer = found && resolved(btf, found.type);
      const proto = pointer?.kind === "ptr" ? resolved(btf, pointer.type) : undefined;
      if (proto?.kind !== "func_proto") return expect(proto, `${struct} has no function ${member}`).toBeDefined();
      expect(proto.params.length).toBe(args.length);
      const wrong = proto.params.filter(({ type: id }, index) => !fits(textOf(id), args[index]!));
      expect(wrong.map(({ name, type: id }) => `${name}: ${textOf(id)}`)).toEqual([]);
      expect(textOf(proto.returns) === "void").toBe(returns === undefined);
    });
  },
);
/** Whether an argument of the kernel's is what the row says; a struct of ours may be what a pointer to its beginning leads to. */
function fits(text: string, arg: OpArgument): boolean {
  if ("struct" in arg) return text.startsWith("*") && beginsWith(kernelTypes(), arg.struct, text.slice(1));
  return text === `${arg.bytes}${arg.signed ? " signed" : ""}`;
}

const known = new Set(btf.types.flatMap((type) => (type?.kind === "func" ? [type.name] : [])));
describe.each(Object.entries<Kfunc>(KFUNCS))("the function", (name, { args, returns }) => {
  const lacks = reason ?? (known.has(name) ? undefined : " (skipped: this kernel lacks it)");
  test.skipIf(lacks !== undefined)(`${name}${lacks ?? ""}`, () => {
    const func = named("func", name);
    const proto = func?.kind === "func" ? resolved(btf, func.type) : undefined;
    if (proto?.kind !== "func_proto") return expect(proto).toBeDefined();
    const told = (text: string): string => (/^\d/.test(text) ? "number" : text);
    const said = (type: KfuncType): string => {
      if (typeof type !== "object") return type === "boolean" ? "number" : type;
      return `*${"struct" in type ? type.struct : `bpf_iter_${type.iterator}`}`;
    };
    expect(proto.params.map(({ type }) => told(textOf(type)))).toEqual(args.map(said));
    expect(told(textOf(proto.returns))).toBe(said(returns));
  });
});
