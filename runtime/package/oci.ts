/** OCI images (image-spec 1.1) as an image layout: what skopeo calls `oci:FOLDER`, and as an archive `oci-archive:FILE`. */
import { digestOf, textFile, type PackedFile } from "./files.ts";

export const MEDIA_TYPES = {
  index: "application/vnd.oci.image.index.v1+json",
  manifest: "application/vnd.oci.image.manifest.v1+json",
  config: "application/vnd.oci.image.config.v1+json",
  layer: "application/vnd.oci.image.layer.v1.tar+gzip",
} as const;
/** What the objects are for: they are the same for both, as both are little-endian. */
export const ARCHITECTURES = ["amd64", "arm64"] as const;
type Architecture = (typeof ARCHITECTURES)[number];

export type Annotations = Readonly<Record<string, string>>;
export interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly size: number;
  readonly platform?: { readonly architecture: string; readonly os: "linux" };
  readonly annotations?: Annotations;
}
/** Bytes, and what refers to them. */
export interface Blob {
  readonly descriptor: Descriptor;
  readonly bytes: Uint8Array;
}
type More = Pick<Descriptor, "platform" | "annotations">;

export const blob = (mediaType: string, bytes: Uint8Array, more: More = {}): Blob => ({
  descriptor: { mediaType, digest: digestOf(bytes), size: bytes.length, ...more },
  bytes,
});
export const jsonBlob = (mediaType: string, value: unknown, more: More = {}): Blob =>
  blob(mediaType, Buffer.from(JSON.stringify(value)), more);

export interface Image {
  readonly artifactType?: string;
  readonly config: Blob;
  readonly layers: readonly Blob[];
}

/** The files of a layout that holds one image for both architectures, and the digest that it has everywhere. */
export function imageLayout(
  imageFor: (architecture: Architecture) => Image,
  annotations: Annotations,
): { readonly files: readonly PackedFile[]; readonly digest: string } {
  const blobs: Blob[] = [];
  const manifests = ARCHITECTURES.map((architecture) => {
    const { artifactType, config, layers } = imageFor(architecture);
    const artifact = artifactType === undefined ? {} : { artifactType };
    const manifest = jsonBlob(
      MEDIA_TYPES.manifest,
      {
        schemaVersion: 2,
        mediaType: MEDIA_TYPES.manifest,
        ...artifact,
        config: config.descriptor,
        layers: layers.map(({ descriptor }) => descriptor),
        annotations,
      },
      // Not its artifact type: skopeo before 1.14 would lose it, and the digest with it.
      { platform: { architecture, os: "linux" }, annotations },
    );
    blobs.push(config, ...layers, manifest);
    return manifest.descriptor;
  });
  const index = jsonBlob(MEDIA_TYPES.index, { schemaVersion: 2, mediaType: MEDIA_TYPES.index, manifests, annotations });
  const named = { ...index.descriptor, annotations: { "org.opencontainers.image.ref.name": "latest" } };
  const bytesByDigest = new Map([...blobs, index].map(({ descriptor, bytes }) => [descriptor.digest, bytes]));
  return {
    digest: index.descriptor.digest,
    files: [
      textFile("oci-layout", JSON.stringify({ imageLayoutVersion: "1.0.0" })),
      textFile("index.json", JSON.stringify({ schemaVersion: 2, mediaType: MEDIA_TYPES.index, manifests: [named] })),
      ...[...bytesByDigest].map(([digest, bytes]) => ({ path: `blobs/${digest.replace(":", "/")}`, bytes })),
    ],
  };
}

/** The keys of the image-spec's annotations ("Pre-Defined Annotation Keys"), for what a package has. */
export const annotationsOf = (facts: {
  readonly title: string;
  readonly description: string;
  readonly version: string;
  readonly license: string | undefined;
  readonly created: string;
}): Annotations => ({
  "org.opencontainers.image.title": facts.title,
  "org.opencontainers.image.description": facts.description,
  "org.opencontainers.image.version": facts.version,
  ...(facts.license === undefined ? {} : { "org.opencontainers.image.licenses": facts.license }),
  "org.opencontainers.image.created": facts.created,
});
