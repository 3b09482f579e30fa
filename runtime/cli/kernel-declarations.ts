/** Structs of a kernel as TypeScript declarations: what is where, in the types of the language. */
import { resolved, sizeOfType, type Btf, type BtfMember, type BtfType } from "../../compiler/object/btf.ts";
import { nearestFirst } from "../../compiler/diagnostics/nearest.ts";

type Struct = Extract<BtfType, { readonly kind: "struct" | "union" }>;
const isStruct = (type: BtfType | undefined): type is Struct => type?.kind === "struct" || type?.kind === "union";
const DEEPEST = 32;

/** Declarations of the named structs, and of those that lie in them; or the name that the types do not have, and one like it. */
export function kernelDeclarations(
  btf: Btf,
  names: readonly string[],
  from: string,
): { readonly text: string } | { readonly missing: string; readonly like?: string } {
  const byName = new Map<string, Struct>();
  for (const type of btf.types)
    if (isStruct(type) && type.name !== "" && !byName.has(type.name)) byName.set(type.name, type);
  const missing = names.find((name) => !byName.has(name));
  if (missing !== undefined) {
    const [like] = nearestFirst(missing, [...byName.keys()]);
    return { missing, ...(like === undefined ? {} : { like }) };
  }
  // Those that lie in others follow them.
  const wanted = new Set(names);
  const used = new Set<string>();
  const texts: string[] = [];
  for (const name of wanted) texts.push(declaration(btf, byName.get(name)!, wanted, used));
  const imports = used.size > 0 ? [`import type { ${[...used].sort().join(", ")} } from "tsbpf";`, ""] : [];
  return {
    text: [`// Types of ${from}, written by tsbpf types. Offsets are in bytes.`, ...imports, ...texts].join("\n"),
  };
}

function declaration(btf: Btf, struct: Struct, wanted: Set<string>, used: Set<string>): string {
  const lines = membersOf(btf, struct, 0, wanted, used, 1);
  return `/** ${struct.kind} ${told(struct.name)}, ${struct.size} bytes. */\nexport interface ${identifier(struct.name)} {\n${lines.join("\n")}\n}\n`;
}

/** A name in a comment. */
const told = (name: string): string => name.replaceAll("*/", "* /");

/** What has no name is a part of what it lies in; of a union all members lie at one place. */
function membersOf(
  btf: Btf,
  struct: Struct,
  base: number,
  wanted: Set<string>,
  used: Set<string>,
  indented: number,
  depth = 0,
): string[] {
  return struct.members.flatMap((member, index) => {
    const type = resolved(btf, member.type);
    const at = base + member.offset;
    const anonymous = isStruct(type) && type.name === "" ? type : undefined;
    if (anonymous && member.name === "" && depth < DEEPEST)
      return membersOf(btf, anonymous, at, wanted, used, indented, depth + 1);
    // Nothing is there: the kernel marks its groups of members so. At the end it is an array of any length.
    const last = index === struct.members.length - 1;
    if (sizeOfType(btf, member.type) === 0 && !(type?.kind === "array" && last)) return [];
    const indent = "  ".repeat(indented);
    const head = `${indent}/** ${placeOf(at, member, btf)} */\n${indent}readonly ${identifier(member.name)}: `;
    if (!anonymous || depth >= DEEPEST) return [`${head}${typeText(btf, member.type, wanted, used)};`];
    const inner = membersOf(btf, anonymous, at, wanted, used, indented + 1, depth + 1);
    return [`${head}{\n${inner.join("\n")}\n${indent}};`];
  });
}

function placeOf(at: number, member: BtfMember, btf: Btf): string {
  if (member.bits > 0)
    return `At ${Math.floor(at / 8)}, ${member.bits} bit${member.bits === 1 ? "" : "s"} from bit ${at % 8} on.`;
  const type = resolved(btf, member.type);
  const bytes = sizeOfType(btf, member.type);
  const length = type?.kind === "array" ? `, ${type.length} elements` : "";
  const to = type?.kind === "ptr" ? `, a pointer${pointee(btf, type.type)}` : "";
  return `At ${at / 8}, ${bytes} byte${bytes === 1 ? "" : "s"}${length}${to}.`;
}
function pointee(btf: Btf, id: number): string {
  const type = resolved(btf, id);
  if (isStruct(type) && type.name !== "") return ` to ${type.kind} ${told(type.name)}`;
  return type?.kind === "func_proto" ? " to a function" : "";
}

function typeText(btf: Btf, id: number, wanted: Set<string>, used: Set<string>, depth = 0): string {
  const type = resolved(btf, id);
  const integer = (bytes: number, signed: boolean): string => {
    if (bytes !== 1 && bytes !== 2 && bytes !== 4 && bytes !== 8) return `readonly ${integer(1, false)}[]`;
    const name = `${signed ? "i" : "u"}${bytes * 8}`;
    used.add(name);
    return name;
  };
  switch (type?.kind) {
    case "int":
      return type.bool ? "boolean" : integer(type.size, type.signed);
    case "enum":
    case "enum64":
      return integer(type.size, type.signed);
    case "ptr":
      return integer(8, false);
    case "array":
      return depth < DEEPEST
        ? `readonly ${wrapped(typeText(btf, type.element, wanted, used, depth + 1))}[]`
        : "unknown";
    case "struct":
    case "union":
      if (type.name === "") return `readonly ${integer(1, false)}[]`;
      wanted.add(type.name);
      return identifier(type.name);
    default:
      return "unknown";
  }
}
const wrapped = (type: string): string => (type.includes(" ") ? `(${type})` : type);
/** Words that TypeScript keeps for itself are no names of types. */
const identifier = (name: string): string => (/^[A-Za-z_$][\w$]*$/.test(name) ? name : JSON.stringify(name));
