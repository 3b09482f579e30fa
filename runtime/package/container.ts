/** What an image of the service is built of: a Containerfile, and the command. Its programs and its file come with the ConfigMap. */
import { COMMAND } from "./daemon-set.ts";
import { isoTime, type Details, type Package, type ServiceSource } from "./details.ts";
import { digestOfFiles, textFile, type PackedFile } from "./files.ts";

const ROOT = "rootfs";
/** The command's place in a file system, of images and of Debian's packages. */
export const commandFiles = ({ command }: ServiceSource): readonly PackedFile[] => [
  ...command.map((file) => ({ ...file, path: `usr/lib/tsbpf/${file.path}` })),
  { path: COMMAND.slice(1), bytes: new Uint8Array(), link: "../lib/tsbpf/bin/tsbpf" },
];

export function container(source: ServiceSource, details: Details): Package {
  const text = `# Made by "tsbpf package container". The image has the command alone: what it runs is in the ConfigMap of tsbpf package kubernetes.
# For the same image each time name the base by its digest: --build-arg BASE=docker.io/library/node:20-bookworm-slim@sha256:…
ARG BASE=docker.io/library/node:20-bookworm-slim
FROM \${BASE}
LABEL org.opencontainers.image.title="${details.name}" \\
      org.opencontainers.image.version="${details.version}" \\
      org.opencontainers.image.created="${isoTime(details.seconds)}"
COPY --chown=0:0 ${ROOT}/ /
# The folder of the mounted files: of the image, so that nobody may write it.
RUN mkdir -p -m 0755 /etc/tsbpf
ENV TSBPF_NO_CODE_CACHE=1
ENTRYPOINT ["${COMMAND}"]
CMD ["serve", "/etc/tsbpf/service.json", "--json"]
`;
  const files = [
    textFile("Containerfile", text),
    ...commandFiles(source).map((file) => ({ ...file, path: `${ROOT}/${file.path}` })),
  ];
  return {
    files,
    digest: digestOfFiles(files),
    next: [
      `build it: podman build --timestamp ${details.seconds} --platform linux/${source.architecture} -t REGISTRY/${details.name}:${details.version.replace("+", "-")} OUTPUT`,
    ],
  };
}
