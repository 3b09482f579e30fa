/** A kernel's types as the verifier asks for them, out of its BTF. */
import type { FunctionType, KernelFunction, Walked, WholeKernel } from "../bpf/whole-kernel.ts";
import { resolved, sizeOfType, type Btf, type BtfType } from "./btf.ts";

/** Deeper than the kernel nests its types. */
const DEEPEST = 32;
type Struct = Extract<BtfType, { readonly kind: "struct" | "union" }>;
const isStruct = (type: BtfType | undefined): type is Struct => type?.kind === "struct" || type?.kind === "union";
const MARKS: ReadonlySet<string> = new Set(["user", "percpu", "rcu"]);

/** Names are looked up when first asked for. */
export function wholeKernel(btf: Btf): WholeKernel {
  const index = <Kind extends BtfType["kind"]>(kind: Kind): (() => ReadonlyMap<string, number>) => {
    let made: Map<string, number> | undefined;
    return () => {
      if (made) return made;
      made = new Map();
      for (const [id, type] of btf.types.entries())
        if (type?.kind === kind && "name" in type && !made.has(type.name)) made.set(type.name, id);
      return made;
    };
  };
  const structs = index("struct");
  const functions = index("func");
  const typedefs = index("typedef");
  const structOf = (name: string): Struct | undefined => {
    const found = btf.types[structs().get(name) ?? -1];
    return isStruct(found) ? found : undefined;
  };

  /** Of arrays, however many dimensions they have, the elements. */
  const elementOf = (id: number): { readonly type: BtfType | undefined; readonly id: number } => {
    let at = id;
    let type = resolved(btf, at);
    for (let depth = 0; type?.kind === "array" && depth < DEEPEST; depth++) {
      at = type.element;
      type = resolved(btf, at);
    }
    return { type, id: at };
  };
  const markOf = (pointee: number): { readonly mark?: "user" | "percpu" | "rcu" } => {
    const type = btf.types[pointee];
    return type?.kind === "type_tag" && MARKS.has(type.name) ? { mark: type.name as "user" | "percpu" | "rcu" } : {};
  };

  const walk: WholeKernel["walk"] = (struct, start, size) => {
    const wrong = (message: string): Walked => ({ kind: "wrong", message });
    let type = structOf(struct);
    let off = start;
    let union = false;
    for (let depth = 0; type && depth < DEEPEST; depth++) {
      const name = type.name;
      if (type.kind === "union" && type.members.length !== 1) union = true;
      if (off + size > type.size) {
        // Behind the end there may be more of an array without a length.
        const last = type.members.at(-1);
        const array = last && resolved(btf, last.type);
        const element = array?.kind === "array" && array.length === 0 ? elementOf(array.element) : undefined;
        const from = last ? Math.floor(last.offset / 8) : 0;
        const bytes = element ? sizeOfType(btf, element.id) : 0;
        if (!element || off < from || bytes === 0)
          return wrong(`access beyond struct ${name} at off ${off} size ${size}`);
        if (!isStruct(element.type)) return { kind: "number" };
        off = (off - from) % bytes;
        type = element.type;
        continue;
      }
      let inner: Struct | undefined;
      for (const member of type.members) {
        let from = Math.floor(member.offset / 8);
        if (off + size <= from) break;
        if (member.bits > 0) {
          const end = Math.ceil((member.offset + member.bits) / 8);
          if (off <= from && end <= off + size) return { kind: "number" };
          continue;
        }
        if (off < from) break;
        const whole = sizeOfType(btf, member.type);
        const end = from + whole;
        if (off >= end) continue;
        const outer = resolved(btf, member.type);
        const { type: found, id } = elementOf(member.type);
        if (outer?.kind === "array") {
          const bytes = sizeOfType(btf, id);
          from += Math.floor((off - from) / bytes) * bytes;
        }
        if (isStruct(found)) {
          inner = found;
          off -= from;
          break;
        }
        if (found?.kind === "ptr") {
          if (size !== 8 || off !== from)
            return wrong(
              `cannot access ptr member ${member.name} with moff ${from} in struct ${name} with off ${off} size ${size}`,
            );
          const to = resolved(btf, found.type);
          if (isStruct(to))
            return { kind: "pointer", to: to.name, member: member.name, of: name, union, ...markOf(found.type) };
        }
        if (off + size > end && !union)
          return wrong(
            `access beyond the end of member ${member.name} (mend:${end}) in struct ${name} with off ${off} size ${size}`,
          );
        return { kind: "number" };
      }
      if (!inner) return wrong(`struct ${name} doesn't have field at offset ${off}`);
      type = inner;
    }
    return wrong(`struct ${struct} is not known`);
  };

  const liesAt: WholeKernel["liesAt"] = (struct, start, wanted) => {
    let type = structOf(struct);
    let off = start;
    for (let depth = 0; type && depth < DEEPEST; depth++) {
      if (off === 0 && type.name === wanted) return true;
      const member = type.members.find((one) => {
        const from = one.offset / 8;
        return one.bits === 0 && off >= from && off < from + sizeOfType(btf, one.type);
      });
      if (!member) return false;
      const { type: inner, id } = elementOf(member.type);
      if (!isStruct(inner)) return false;
      off -= member.offset / 8;
      if (resolved(btf, member.type)?.kind === "array") off %= sizeOfType(btf, id);
      type = inner;
    }
    return false;
  };

  /** Whether a struct has nothing but numbers in it, as far down as the kernel looks. */
  const known = new Map<BtfType, boolean[]>();
  const isNumbers = (type: BtfType | undefined, depth = 0): boolean => {
    if (type?.kind === "int" || type?.kind === "enum" || type?.kind === "enum64") return true;
    if (type?.kind === "array") {
      const { type: element } = elementOf(type.element);
      return element?.kind !== "array" && isNumbers(element, depth);
    }
    if (type?.kind !== "struct" || depth >= 4) return false;
    // Asked once at each depth: what is in many members is not looked at as often.
    const before = known.get(type) ?? [];
    known.set(type, before);
    return (before[depth] ??= type.members.every((member) => isNumbers(resolved(btf, member.type), depth + 1)));
  };
  const typeOf = (id: number): FunctionType => {
    const type = resolved(btf, id);
    if (id === 0) return { kind: "void" };
    if (type?.kind === "int" || type?.kind === "enum" || type?.kind === "enum64")
      return { kind: "number", bytes: type.size };
    if (type?.kind !== "ptr") return { kind: "other" };
    const to = resolved(btf, type.type);
    if (to?.kind === "struct") return { kind: "struct", name: to.name, numbers: isNumbers(to), bytes: to.size };
    if (type.type === 0 || to === undefined) return { kind: "memory", bytes: 0 };
    return isNumbers(to) ? { kind: "memory", bytes: sizeOfType(btf, type.type) } : { kind: "other" };
  };
  const functionOf = (proto: BtfType | undefined): KernelFunction | undefined =>
    proto?.kind === "func_proto"
      ? {
          params: proto.params.map(({ name, type }) => ({ name, type: typeOf(type) })),
          returns: typeOf(proto.returns),
        }
      : undefined;

  return {
    walk,
    liesAt,
    function(name) {
      const found = btf.types[functions().get(name) ?? -1];
      return found?.kind === "func" ? functionOf(btf.types[found.type]) : undefined;
    },
    tracepoint(name) {
      const pointer = resolved(btf, typedefs().get(`btf_trace_${name}`) ?? 0);
      const found = pointer?.kind === "ptr" ? functionOf(resolved(btf, pointer.type)) : undefined;
      // The first parameter is the tracepoint's own.
      return found && { ...found, params: found.params.slice(1) };
    },
  };
}
