/** Bytecode images for bpfman: its "eBPF Bytecode Image Specifications", the variant that OCI registries and tools know. */
import { isoTime, type Details, type ObjectSource, type Package } from "./details.ts";
import { digestOf } from "./files.ts";
import { stored } from "./gzip.ts";
import { BPFMAN, wordsOf } from "./kinds.ts";
import { annotationsOf, blob, imageLayout, jsonBlob, MEDIA_TYPES } from "./oci.ts";
import { tarOf } from "./tar.ts";

const REMEDY =
  "programs of tsbpf's own kinds run by the service (tsbpf package kubernetes), or by systemd where they are pinned (tsbpf package systemd)";

/** bpfman's words for map types are libbpf's, but for these. */
const mapWord = (type: string): string => type.replace("percpu", "per_cpu");

export function bpfman(source: ObjectSource, details: Details): Package {
  const words = wordsOf(BPFMAN, source.module, REMEDY);
  const created = isoTime(details.seconds);
  const archive = tarOf([{ path: `${source.name}.o`, bytes: source.bytes }], details.seconds);
  const labels = {
    "io.ebpf.programs": JSON.stringify(Object.fromEntries(words.map(([{ name }, word]) => [name, word]))),
    "io.ebpf.maps": JSON.stringify(
      Object.fromEntries(source.module.maps.map(({ name, type }) => [name, mapWord(type)])),
    ),
  };
  const layout = imageLayout(
    (architecture) => ({
      config: jsonBlob(MEDIA_TYPES.config, {
        created,
        architecture,
        os: "linux",
        config: { Labels: labels },
        rootfs: { type: "layers", diff_ids: [digestOf(archive)] },
        history: [{ created, created_by: "tsbpf package bpfman" }],
      }),
      layers: [blob(MEDIA_TYPES.layer, stored(archive))],
    }),
    annotationsOf({
      title: details.name,
      description: `${source.name}: ${words.map(([{ name }]) => name).join(", ")}`,
      version: details.version,
      license: source.module.license || undefined,
      created,
    }),
  );
  const [first] = words;
  return {
    ...layout,
    next: [
      `push it: skopeo copy --all --preserve-digests oci:OUTPUT:latest docker://REGISTRY/${details.name}:${details.version.replace("+", "-")}`,
      `load it: bpfman load image --programs ${first?.[1]}:${first?.[0].name} --image-url REGISTRY/${details.name}:${details.version.replace("+", "-")}`,
    ],
  };
}
