/** What a package is made of before it is written: files by their paths, in one order, with nothing of the machine that made them. */
import { createHash } from "node:crypto";

export interface PackedFile {
  /** Relative, with slashes; no part of it is "." or "..". */
  readonly path: string;
  readonly bytes: Uint8Array;
  /** Whether it is to be run; absent: it is read. */
  readonly runs?: true;
  /** Of a symbolic link: where it leads; it has no bytes. */
  readonly link?: string;
}

/** A text as a file. */
export const textFile = (path: string, text: string): PackedFile => ({ path, bytes: Buffer.from(text) });

/** By path, byte for byte: the same on every machine, whatever its language. */
export const inOrder = (files: readonly PackedFile[]): readonly PackedFile[] =>
  files.toSorted((a, b) => Buffer.compare(Buffer.from(a.path), Buffer.from(b.path)));

/** "sha256:…" of bytes, as registries name them. */
export const digestOf = (bytes: Uint8Array): string => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;

/** One digest of several files: of their paths, modes and contents. */
export const digestOfFiles = (files: readonly PackedFile[]): string =>
  digestOf(
    Buffer.from(
      inOrder(files)
        .map(({ path, bytes, runs, link }) => JSON.stringify([path, runs ?? false, link ?? "", digestOf(bytes)]))
        .join("\n"),
    ),
  );
