/** tar archives (POSIX.1-1988 ustar): root's files, one time for all, in one order. */
import { inOrder, type PackedFile } from "./files.ts";

const BLOCK = 512;
/** Archives end with two empty blocks; tar(1) fills up to twenty. */
const END = 2 * BLOCK;
const KINDS = { file: "0", link: "2", folder: "5" } as const;

interface Header {
  readonly path: string;
  readonly kind: keyof typeof KINDS;
  readonly mode: number;
  readonly size: number;
  readonly link: string;
}

/** An archive of the files and the folders on their way. `prefix` stands before each path ("./" in Debian's packages). */
export function tarOf(files: readonly PackedFile[], seconds: number, prefix = ""): Buffer {
  const folders = new Set<string>();
  const parts: Buffer[] = [];
  for (const { path, bytes, runs, link } of inOrder(files)) {
    for (const folder of foldersOf(path)) {
      if (folders.has(folder)) continue;
      folders.add(folder);
      parts.push(header({ path: `${prefix}${folder}/`, kind: "folder", mode: 0o755, size: 0, link: "" }, seconds));
    }
    const size = bytes.length;
    const mode = link === undefined ? (runs ? 0o755 : 0o644) : 0o777;
    const kind = link === undefined ? "file" : "link";
    parts.push(header({ path: `${prefix}${path}`, kind, mode, size, link: link ?? "" }, seconds));
    parts.push(Buffer.from(bytes), Buffer.alloc((BLOCK - (size % BLOCK)) % BLOCK));
  }
  return Buffer.concat([...parts, Buffer.alloc(END)]);
}

/** The folders on the way to a path, the outermost first. */
const foldersOf = (path: string): readonly string[] => {
  const parts = path.split("/").slice(0, -1);
  return parts.map((_, index) => parts.slice(0, index + 1).join("/"));
};

function header({ path, kind, mode, size, link }: Header, seconds: number): Buffer {
  const { name, prefix } = split(path);
  const block = Buffer.alloc(BLOCK);
  const put = (at: number, bytes: number, text: string): void => {
    if (Buffer.byteLength(text) > bytes) throw new Error(`${text} does not fit into an archive`);
    block.write(text, at, "utf8");
  };
  const octal = (at: number, bytes: number, value: number): void =>
    put(at, bytes, `${value.toString(8).padStart(bytes - 1, "0")}\0`);
  put(0, 100, name);
  octal(100, 8, mode);
  octal(108, 8, 0);
  octal(116, 8, 0);
  octal(124, 12, size);
  octal(136, 12, seconds);
  put(148, 8, " ".repeat(8));
  put(156, 1, KINDS[kind]);
  put(157, 100, link);
  put(257, 8, "ustar\x0000");
  put(265, 32, "root");
  put(297, 32, "root");
  octal(329, 8, 0);
  octal(337, 8, 0);
  put(345, 155, prefix);
  const sum = block.reduce((total, byte) => total + byte, 0);
  put(148, 8, `${sum.toString(8).padStart(6, "0")}\0 `);
  return block;
}

/** A path in the two fields that it has: up to 100 bytes behind a slash, up to 155 before it. */
function split(path: string): { readonly name: string; readonly prefix: string } {
  if (Buffer.byteLength(path) <= 100) return { name: path, prefix: "" };
  for (let at = path.indexOf("/"); at > 0; at = path.indexOf("/", at + 1)) {
    const [prefix, name] = [path.slice(0, at), path.slice(at + 1)];
    if (name !== "" && Buffer.byteLength(name) <= 100 && Buffer.byteLength(prefix) <= 155) return { name, prefix };
  }
  throw new Error(`${path} does not fit into an archive`);
}
