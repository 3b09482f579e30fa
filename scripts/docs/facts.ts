/** What the generated pages of the documentation are made of: the tables and trees of the compiler and the command, none of them copied. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { HELPERS, type HelperName } from "../../compiler/bpf/helpers.ts";
import { FEATURES, kernels } from "../../compiler/bpf/kernels.ts";
import { COMPILED, KIND_NAMES, callableSince, type KindName } from "../../compiler/bpf/kinds/index.ts";
import type { Section } from "../../compiler/bpf/kinds/kind.ts";
import { isOpsStruct, OPS_STRUCTS } from "../../compiler/bpf/kinds/struct-ops.ts";
import { ATTACH_TYPES } from "../../compiler/bpf/kinds/attach-types.ts";
import { MAP_TYPES } from "../../compiler/bpf/map-types.ts";
import { helperSince, mapTypeSince } from "../../compiler/bpf/since.ts";
import { LEVELS, SOCKET_OPTIONS, type SocketOption } from "../../compiler/bpf/socket-options.ts";
import { RELEASES } from "../../compiler/bpf/verifier-rules.ts";
import { pagesDocument } from "../../compiler/diagnostics/pages/document.ts";
import { PROPERTIES, type ContextProperty } from "../../compiler/frontend/context-properties.ts";
import { MAPS, mapRow, type MapKind } from "../../compiler/frontend/map-kinds.ts";
import { PROGRAM_KINDS } from "../../compiler/frontend/program-kinds.ts";
import { roleRow, type Role } from "../../compiler/frontend/roles.ts";
import { typeName } from "../../compiler/frontend/types.ts";
import { command } from "../../runtime/cli/command.ts";
import { commandsOf, type CommandFacts } from "../../runtime/cli/shell/tree.ts";

/** The commands, as their help tells them. */
export const commands = (): readonly CommandFacts[] => commandsOf(command().program, {});

/** The pages of `tsbpf explain`. */
export const errors = (root: string) =>
  pagesDocument((key) => readFileSync(join(root, "tests/errors/cases", `${key}.ts`), "utf8"));

/** What handlers are given: each property, and which of the kernel's fields it is. */
export const fields = () =>
  (Object.keys(PROPERTIES) as Role[]).map((role) => ({
    name: roleRow(role).name,
    kind: roleRow(role).kind,
    properties: Object.entries(PROPERTIES[role]).map(([name, property]) => ({ name, ...fieldOf(property) })),
  }));

function fieldOf(property: ContextProperty): { from: string; type: string; write: boolean } {
  const write = "write" in property && Boolean(property.write);
  if ("member" in property) return { from: property.member.member, type: property.member.as ?? "", write };
  if ("helper" in property) return { from: `bpf_${property.helper}()`, type: typeName(property.type), write };
  if ("segment" in property)
    return { from: "the segment's header", type: property.segment === "payload" ? "u32" : "", write };
  const type = property.type === "ip6" ? "Ip6" : typeName(property.type);
  const index = "index" in property && property.index !== undefined ? `[${property.index}]` : "";
  return { from: `${property.field}${index}`, type: type.includes("|") ? "TcpState" : type, write };
}

/** The kinds of programs that are compiled, by the functions of the language that make them. */
export const kinds = () =>
  Object.entries(PROGRAM_KINDS).map(([name, { kind, needs }]) => ({
    name,
    kind,
    needs: FEATURES[needs].about,
    sections: Object.keys(COMPILED[kind].sections),
    hooks:
      kind === "struct_ops"
        ? Object.keys(OPS_STRUCTS).filter((one) => isOpsStruct(one) && OPS_STRUCTS[one].needs === needs)
        : Object.keys((COMPILED[kind] as { hooks?: object }).hooks ?? {}),
  }));

/** The helpers that any of those kinds may call, and since which release. */
export const helpers = () =>
  (Object.keys(HELPERS) as HelperName[]).flatMap((name) => {
    const since = Object.fromEntries(
      KIND_NAMES.flatMap((kind) => {
        const version = sinceOf(kind, name);
        return version === undefined ? [] : [[kind, version]];
      }),
    );
    const { id, args, gplOnly } = HELPERS[name] as { id: number; args: readonly unknown[]; gplOnly?: true };
    return Object.keys(since).length === 0
      ? []
      : [{ name, id, arguments: args.length, gplOnly: gplOnly === true, came: helperSince(name), since }];
  });
const sinceOf = (kind: KindName, name: HelperName) =>
  Object.values<Section>(COMPILED[kind].sections)
    .map(({ attach }) => callableSince(kind, attach === undefined ? 0 : ATTACH_TYPES[attach], name))
    .find((version) => version !== undefined);
export const kindNames = KIND_NAMES;

/** The maps of the language, and the kernel's types that they are. */
export const maps = () =>
  (Object.keys(MAPS) as MapKind[]).map((name) => {
    const { type, key, size, longestValue } = mapRow(name);
    return { name, type, number: MAP_TYPES[type].number, key, size, longestValue, since: mapTypeSince(type) };
  });

/** The targets, what they have, and the releases whose verifiers are known. */
export const targets = () => ({
  kernels: Object.values(kernels).map(({ name, about, oldest, newest, maxInsns, maxStack, maxOption, hz }) => ({
    name,
    about,
    oldest,
    newest,
    maxInsns,
    maxStack,
    maxOption,
    hz,
  })),
  features: Object.entries(FEATURES).map(([key, { about, of }]) => ({ key, about, of })),
  releases: RELEASES,
});

/** The socket options that programs may set and read. */
export const socketOptions = () =>
  Object.entries<SocketOption>(SOCKET_OPTIONS).map(([name, option]) => ({
    name,
    ...option,
    level: Object.entries(LEVELS).find(([, number]) => number === option.level)![0],
  }));
