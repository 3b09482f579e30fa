/** Loading objects with other loaders, on machines where BPF programs may be loaded. */
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll } from "vitest";
import type { BpfModule } from "../../compiler/module.ts";
import { writeObject } from "../../compiler/object/write.ts";
import { least } from "./modules.ts";
import { tool, withFile } from "./llvm.ts";

const folder = dirname(fileURLToPath(import.meta.url));

export interface Peer {
  readonly available: boolean;
  /** For titles of skipped tests. */
  readonly reason: string;
}
const skipped = (why: string): Peer => ({ available: false, reason: ` (skipped: ${why})` });

/** A bpffs of our own for this test file, unmounted afterwards. */
function mountBpffs(): string | undefined {
  const path = mkdtempSync(join(tmpdir(), "tsbpf-bpffs-"));
  if (spawnSync("mount", ["-t", "bpf", "tsbpf-test", path], { stdio: "ignore" }).status !== 0) {
    rmSync(path, { recursive: true, force: true });
    return undefined;
  }
  return path;
}

export interface BpftoolPeer extends Peer {
  /** Loads all programs of an object, gives what `work` makes of the pins, and removes them. */
  readonly load: <T>(object: Uint8Array, work: (pin: (program: string) => string) => T) => T;
  readonly run: (...command: readonly string[]) => string;
}

const run = (...command: readonly string[]): string =>
  execFileSync("bpftool", command, { encoding: "utf8", maxBuffer: 1 << 28, stdio: ["ignore", "pipe", "pipe"] });

/** Without pins by name, which bpftool would put on the machine's own bpffs. */
export const unpinned = (module: BpfModule): BpfModule => ({
  ...module,
  maps: module.maps.map((map) => ({ ...map, pinned: false })),
});

/** bpftool with a mounted bpffs; call once in a test file. */
export function bpftool(): BpftoolPeer {
  const missing = tool("bpftool", "version");
  const load: BpftoolPeer["load"] = () => {
    throw new Error("bpftool is not available");
  };
  if (!missing.available) return { ...missing, load, run };
  if (process.getuid?.() !== 0) return { ...skipped("not root"), load, run };
  const bpffs = mountBpffs();
  if (bpffs === undefined) return { ...skipped("no bpffs can be mounted"), load, run };
  afterAll(() => {
    spawnSync("umount", [bpffs]);
    rmSync(bpffs, { recursive: true, force: true });
  });
  let count = 0;
  const peer: BpftoolPeer = {
    available: true,
    reason: "",
    run,
    load: (object, work) =>
      withFile(object, (path) => {
        const pins = join(bpffs, `object${count++}`);
        const maps = join(bpffs, `maps${count}`);
        mkdirSync(maps);
        try {
          execFileSync("bpftool", ["prog", "loadall", path, pins, "pinmaps", maps], {
            encoding: "utf8",
            stdio: "pipe",
          });
          return work((program) => join(pins, program));
        } finally {
          for (const left of [pins, maps]) if (existsSync(left)) rmSync(left, { recursive: true, force: true });
        }
      }),
  };
  // A machine may have the tool and root, and still refuse bpf(2).
  try {
    peer.load(writeObject(least), () => undefined);
  } catch {
    return { ...peer, ...skipped("bpf(2) is refused") };
  }
  return peer;
}

export interface LibbpfPeer extends Peer {
  /** The lines that load-with-libbpf prints; throws with libbpf's words when the object does not load. */
  readonly load: (object: Uint8Array) => string[];
}

/** The small libbpf program beside this file, compiled with the machine's C compiler. */
export function libbpf(peer: Peer): LibbpfPeer {
  const load: LibbpfPeer["load"] = () => {
    throw new Error("libbpf is not available");
  };
  if (!peer.available) return { ...peer, load };
  const build = mkdtempSync(join(tmpdir(), "tsbpf-libbpf-"));
  afterAll(() => rmSync(build, { recursive: true, force: true }));
  const program = join(build, "load");
  const made = spawnSync("gcc", ["-O1", "-o", program, join(folder, "load-with-libbpf.c"), "-lbpf"], {
    encoding: "utf8",
  });
  if (made.status !== 0) return { ...skipped("no gcc, or no libbpf to link with"), load };
  return {
    available: true,
    reason: "",
    load: (object) =>
      withFile(object, (path) => {
        const bpffs = mountBpffs();
        try {
          const { status, stdout, stderr } = spawnSync(program, [path, ...(bpffs ? [bpffs] : [])], {
            encoding: "utf8",
          });
          if (status !== 0) throw new Error(`libbpf refused the object:\n${stderr}`);
          return stdout.trimEnd().split("\n");
        } finally {
          if (bpffs) {
            spawnSync("umount", [bpffs]);
            rmSync(bpffs, { recursive: true, force: true });
          }
        }
      }),
  };
}

export interface ClangPeer extends Peer {
  readonly compile: (source: string, options?: readonly string[]) => Uint8Array;
}
/** clang of LLVM 19, or 16 where there is no other. */
export function clang(): ClangPeer {
  const found = ["clang-19", "clang-16"].map((name) => ({ name, ...tool(name) })).find(({ available }) => available);
  const headers = "/usr/include/x86_64-linux-gnu";
  const compile: ClangPeer["compile"] = (source, options = []) =>
    withFile(new TextEncoder().encode(source), (path) => {
      const args = [
        "-x",
        "c",
        "-target",
        "bpf",
        "-O2",
        "-g",
        `-I${headers}`,
        ...options,
        "-c",
        basename(path),
        "-o",
        "-",
      ];
      const cwd = dirname(path);
      return new Uint8Array(
        execFileSync(found!.name, args, { cwd, maxBuffer: 1 << 28, stdio: ["ignore", "pipe", "pipe"] }),
      );
    });
  if (!found) return { ...skipped("no clang-19 or clang-16"), compile };
  if (!existsSync("/usr/include/bpf/bpf_helpers.h")) return { ...skipped("no libbpf headers"), compile };
  return { available: true, reason: "", compile };
}
