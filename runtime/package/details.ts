/** What packages are made of, and what is said of them. */
import type { BpfModule } from "../../compiler/module.ts";
import type { PackedFile } from "./files.ts";

/** What is common to all packages of one call. */
export interface Details {
  /** Of the package. */
  readonly name: string;
  readonly version: string;
  /** Of all times in it, since 1970. */
  readonly seconds: number;
  /** Where registries will have the image of the service. */
  readonly image: string | undefined;
  readonly maintainer: string;
  /** The folder of pins that the programs will be found in. */
  readonly pins: string;
}

/** An object, compiled or read. */
export interface ObjectSource {
  readonly name: string;
  readonly bytes: Uint8Array;
  readonly module: BpfModule;
}

/** The file of a service, and what it names. */
export interface ServiceSource {
  /** The service's file as JSON, which names its objects where the package has them. */
  readonly config: (folderOfObjects: string) => string;
  /** By the names of files in that folder. */
  readonly objects: readonly PackedFile[];
  readonly keep: boolean;
  readonly socket: string;
  readonly pins: string;
  readonly inKernel: boolean;
  readonly overNetlink: boolean;
  readonly entersNamespaces: boolean;
  /** Named, as the service's metrics are asked for over HTTP; undefined: they are not. */
  readonly metricsPort: number | undefined;
  /** Where they are told on one machine: an address, or a Unix socket. */
  readonly metricsHost?: string;
  readonly metricsSocket?: string;
  /** The command itself: what is below /usr/lib/tsbpf. */
  readonly command: readonly PackedFile[];
  /** Debian's name of the processor that the command's native part is for. */
  readonly architecture: string;
}

export interface Package {
  readonly files: readonly PackedFile[];
  /** What names its contents: the image's digest, or that of the files. */
  readonly digest: string;
  /** How it gets to where it is used: lines for people. */
  readonly next: readonly string[];
  readonly warnings?: readonly string[];
}

export const isoTime = (seconds: number): string => new Date(seconds * 1000).toISOString().replace(".000Z", "Z");
