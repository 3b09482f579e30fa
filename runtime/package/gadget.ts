/** Images that Inspektor Gadget runs: its "Gadgets as OCI artifacts" and "Gadget metadata". */
import { sizeOf } from "../../compiler/layout.ts";
import type { BpfModule, GlobalVar } from "../../compiler/module.ts";
import { isoTime, type Details, type ObjectSource, type Package } from "./details.ts";
import { INSPEKTOR_GADGET, wordsOf } from "./kinds.ts";
import { annotationsOf, blob, imageLayout } from "./oci.ts";
import { yamlOf, type Yaml } from "./yaml.ts";

const GADGET_TYPES = {
  artifact: "application/vnd.gadget.v1+binary",
  config: "application/vnd.gadget.config.v1+yaml",
  program: "application/vnd.gadget.ebpf.program.v1+binary",
} as const;

/** What macros of <gadget/macros.h> leave in an object, and what it says there: GADGET_PARAM(x) is the variable gadget_param_x. */
const PARAM = /^gadget_param_(\w+)$/;
/** GADGET_TRACER(name, map, type) and its siblings: "gadget_tracer_name___map___type". */
const SOURCE = /^gadget_(?:tracer|snapshotter|mapiter|topper|iterator)_(\w+?)___/;

const REMEDY =
  "programs of tsbpf's own kinds run by the service: tsbpf package kubernetes SERVICE --image …; gadgets are for objects of clang's that trace";

export function gadget(source: ObjectSource, details: Details): Package {
  wordsOf(INSPEKTOR_GADGET, source.module, REMEDY);
  const description = `${source.name}: ${source.module.programs.map(({ name }) => name).join(", ")}`;
  const annotations = annotationsOf({
    title: details.name,
    description,
    version: details.version,
    license: source.module.license || undefined,
    created: isoTime(details.seconds),
  });
  const metadata = yamlOf(metadataOf(source.module, details.name, description));
  const layout = imageLayout(
    () => ({
      artifactType: GADGET_TYPES.artifact,
      config: blob(GADGET_TYPES.config, Buffer.from(metadata), { annotations }),
      layers: [blob(GADGET_TYPES.program, source.bytes)],
    }),
    annotations,
  );
  return {
    ...layout,
    next: [
      `push it: skopeo copy --all --preserve-digests oci:OUTPUT:latest docker://REGISTRY/${details.name}:${details.version.replace("+", "-")}`,
      `run it: ig run REGISTRY/${details.name}:${details.version.replace("+", "-")}`,
    ],
  };
}

/** `GadgetMetadata` of pkg/metadata/v1, as far as an object tells: params with what they are by default, and data sources. */
function metadataOf({ globals }: BpfModule, name: string, description: string): Yaml {
  const params = globals.flatMap(({ name: marker }) => {
    const param = PARAM.exec(marker)?.[1];
    return param === undefined ? [] : [[param, paramOf(param, globals)] as const];
  });
  const sources = globals.flatMap(({ name: marker }) => {
    const source = SOURCE.exec(marker)?.[1];
    return source === undefined ? [] : [[source, { fields: {} }] as const];
  });
  return {
    name,
    description,
    ...(sources.length === 0 ? {} : { datasources: Object.fromEntries(sources) }),
    ...(params.length === 0 ? {} : { params: { ebpf: Object.fromEntries(params) } }),
  };
}

function paramOf(name: string, globals: readonly GlobalVar[]): Yaml {
  const variable = globals.find((one) => one.name === name);
  const value = variable && numberOf(variable);
  return { key: name.replaceAll("_", "-"), ...(value === undefined ? {} : { defaultValue: value }) };
}
/** As text: 64-bit numbers are exact. */
function numberOf({ layout, init }: GlobalVar): string | undefined {
  if (layout.kind !== "int" || ![1, 2, 4, 8].includes(sizeOf(layout))) return undefined;
  const bits = sizeOf(layout) * 8;
  const raw = init.reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);
  return String(layout.signed ? BigInt.asIntN(bits, raw) : raw);
}
