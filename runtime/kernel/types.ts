/** The `.d.ts` beside an object: types of its maps, rings, params, globals and programs, for `load<typeof import(…)>`-like use. */
import { isIp6, type Layout, type StructLayout } from "../../compiler/layout.ts";
import type { BpfModule } from "../../compiler/module.ts";
import { isKeyless, isPerCpu, isRingType } from "../../compiler/bpf/map-types.ts";

/**
 * Declarations for one module. `import type { Loaded } from "./fullmesh.d.ts"`, then
 * `const object = load<Loaded>(bytes, { params: { … } })` gives handles with these types.
 */
export function typesFor(module: BpfModule): string {
  const structs = new Map<string, StructLayout>();
  const name = (layout: Layout): string => typeName(layout, structs);
  const maps = module.maps.filter((map) => !isKeyless(map.type));
  const rings = module.maps.filter((map) => isRingType(map.type));
  const body = [
    block(
      "maps",
      maps.map((map) => {
        const value = map.value ? name(map.value) : "Uint8Array";
        const key = map.key ? name(map.key) : "number";
        return [
          map.name,
          map.type === "sk_storage"
            ? `StorageHandle<${value}>`
            : `MapHandle<${key}, ${isPerCpu(map.type) ? `readonly ${wrapped(value)}[]` : value}>`,
          `${map.type}, ${map.maxEntries} entries`,
        ];
      }),
    ),
    block(
      "rings",
      rings.map((map) => [
        map.name,
        `RingHandle<${map.value ? name(map.value) : "Uint8Array"}>`,
        `${map.maxEntries} bytes`,
      ]),
    ),
    block(
      "params",
      module.globals.filter((g) => g.param).map((g) => [g.name, name(g.layout), ""]),
    ),
    block(
      "globals",
      module.globals
        .filter((g) => g.section !== ".rodata" || g.param)
        .map((g) => [g.name, `GlobalHandle<${name(g.layout)}>`, ""]),
    ),
    block(
      "programs",
      module.programs.map((program) => [program.name, "ProgramHandle", program.type]),
    ),
  ].join("");
  const declarations = [...structs].map(([type, layout]) => interfaceText(type, layout, structs)).join("\n");
  return [
    "// Written by tsbpf build --types. Integers up to 32 bits are numbers, 64-bit ones bigints;",
    "// big-endian fields are their value in host order, and addresses may be given as text.",
    'import type { GlobalHandle, MapHandle, ProgramHandle, RingHandle, StorageHandle } from "tsbpf/runtime";',
    "",
    ...(declarations === "" ? [] : [declarations]),
    "export interface Loaded {",
    body + "}",
    "",
  ].join("\n");
}

function block(label: string, rows: readonly (readonly [name: string, type: string, comment: string])[]): string {
  const lines = rows.map(([name, type, comment]) => {
    const note = comment === "" ? "" : `    /** ${comment} */\n`;
    return `${note}    readonly ${propertyName(name)}: ${type};\n`;
  });
  return lines.length === 0 ? `  readonly ${label}: {};\n` : `  readonly ${label}: {\n${lines.join("")}  };\n`;
}

/** Struct names become type names; two different structs of one name get numbers. */
function typeName(layout: Layout, structs: Map<string, StructLayout>): string {
  switch (layout.kind) {
    case "int":
      return layout.bits === 64 ? "bigint" : "number";
    case "be":
      return layout.bits === 64 ? "bigint" : layout.bits === 32 ? "number | string" : "number";
    case "cstring":
      return "string";
    case "array":
      return `${isIp6(layout) ? "string | " : ""}readonly ${wrapped(typeName(layout.of, structs))}[]`;
    case "struct": {
      const plain = layout.name.replace(/[^A-Za-z0-9_$]/g, "_") || "Anonymous";
      for (let number = 1; ; number++) {
        const candidate = number === 1 ? plain : `${plain}${number}`;
        const known = structs.get(candidate);
        if (known && JSON.stringify(known) !== JSON.stringify(layout)) continue;
        if (!known) {
          structs.set(candidate, layout);
          // Nested structs are declared as well.
          for (const field of layout.fields) typeName(field.layout, structs);
        }
        return candidate;
      }
    }
  }
}

const wrapped = (type: string): string => (/[ |]/.test(type) ? `(${type})` : type);
const propertyName = (name: string): string => (/^[A-Za-z_$][\w$]*$/.test(name) ? name : JSON.stringify(name));

function interfaceText(type: string, layout: StructLayout, structs: Map<string, StructLayout>): string {
  const fields = layout.fields.map((field) => `  ${propertyName(field.name)}: ${typeName(field.layout, structs)};`);
  return `/** ${layout.size} bytes${layout.packed ? ", packed" : ""}. */\nexport interface ${type} {\n${fields.join("\n")}\n}`;
}
