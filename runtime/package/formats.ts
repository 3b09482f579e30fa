/** The kinds of packages: what each is of, and what it is written as. Texts alone: the help has them. */
export interface FormatRow {
  readonly what: string;
  readonly of: "object" | "service";
  /** What it is written as: a folder (an archive of it where the output's name ends in .tar), or its only file. */
  readonly output: "folder" | "file";
  /** How the default output's name ends. */
  readonly ending: string;
}
export const FORMATS = {
  gadget: { what: "an OCI image that Inspektor Gadget runs", of: "object", output: "folder", ending: "-gadget" },
  bpfman: { what: "an OCI image of bytecode that bpfman loads", of: "object", output: "folder", ending: "-bpfman" },
  systemd: {
    what: "a drop-in of systemd's that attaches pinned programs to a unit",
    of: "object",
    output: "file",
    ending: ".conf",
  },
  container: {
    what: "a Containerfile, and the command, for the service's image",
    of: "service",
    output: "folder",
    ending: "-container",
  },
  kubernetes: { what: "the service's ConfigMap and DaemonSet", of: "service", output: "file", ending: ".yaml" },
  helm: { what: "the same as a chart of Helm's", of: "service", output: "folder", ending: "-chart" },
  debian: { what: "the service as a package of Debian's", of: "service", output: "file", ending: ".deb" },
} as const satisfies Readonly<Record<string, FormatRow>>;
export type FormatName = keyof typeof FORMATS;
export const FORMAT_NAMES = Object.keys(FORMATS) as readonly FormatName[];
