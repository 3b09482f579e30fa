/** Who makes the packages of each format. */
import { bpfman } from "./bpfman.ts";
import { container } from "./container.ts";
import { debian } from "./debian.ts";
import type { Details, ObjectSource, Package, ServiceSource } from "./details.ts";
import type { FORMATS, FormatName } from "./formats.ts";
import { gadget } from "./gadget.ts";
import { helm } from "./helm.ts";
import { kubernetes } from "./kubernetes.ts";
import { systemd } from "./systemd.ts";

type NamesOf<Of extends "object" | "service"> = {
  [K in FormatName]: (typeof FORMATS)[K]["of"] extends Of ? K : never;
}[FormatName];
type Makers<Of extends "object" | "service", Source> = Readonly<
  Record<NamesOf<Of>, (source: Source, details: Details) => Package>
>;
export const OF_OBJECTS: Makers<"object", ObjectSource> = { gadget, bpfman, systemd };
export const OF_SERVICES: Makers<"service", ServiceSource> = { container, kubernetes, helm, debian };
export const isOfObject = (name: FormatName): name is keyof typeof OF_OBJECTS => Object.hasOwn(OF_OBJECTS, name);
