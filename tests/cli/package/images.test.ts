/** Images for Inspektor Gadget and bpfman: through a registry and back by digest, with skopeo and umoci. */
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parse } from "yaml";
import { missing, noClang, openPackageRig, type PackageRig } from "./rig.ts";

const skip = noClang ?? missing("skopeo", "umoci", "docker-registry");

const TRACER = `
struct event { u32 pid; };
const volatile u32 target_pid = 7;
const void *gadget_param_target_pid SEC(".rodata");
struct { __uint(type, 27); __uint(max_entries, 4096); } events SEC(".maps");
const void *gadget_tracer_conns___events___event SEC(".rodata");
SEC("kprobe/tcp_connect") int on_connect(void *ctx) { return target_pid; }
`;
const MIXED = `
struct { __uint(type, 6); __uint(max_entries, 1); __type(key, u32); __type(value, u64); } hits SEC(".maps");
SEC("kprobe/tcp_connect") int on_connect(void *ctx) { return 0; }
SEC("xdp") int pass(void *ctx) { return 2; }
`;

interface Descriptor {
  readonly mediaType: string;
  readonly digest: string;
  readonly platform?: { readonly architecture: string };
  readonly annotations?: Readonly<Record<string, string>>;
}
interface Manifest {
  readonly artifactType?: string;
  readonly config: Descriptor;
  readonly layers: readonly Descriptor[];
  readonly manifests: readonly Descriptor[];
  readonly annotations: Readonly<Record<string, string>>;
}

/** A port that nobody listens on. */
const freePort = (): Promise<number> =>
  new Promise((resolve) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });

describe.skipIf(skip)(skip ? `images (skipped: ${skip})` : "images", () => {
  let rig: PackageRig;
  let registry: ChildProcess;
  let host: string;
  const run = (tool: string, ...args: string[]): string => {
    const { status, stdout, stderr } = spawnSync(tool, args, { cwd: rig.folder, encoding: "utf8", timeout: 60_000 });
    expect([status, stderr]).toEqual([0, expect.any(String)]);
    return stdout;
  };
  const skopeo = (...args: string[]): string => run("skopeo", "--insecure-policy", ...args);
  const blobOf = (layout: string, { digest }: Pick<Descriptor, "digest">): Buffer =>
    readFileSync(join(rig.folder, layout, "blobs", digest.replace(":", "/")));
  const manifestOf = (layout: string, descriptor: Pick<Descriptor, "digest">): Manifest =>
    JSON.parse(blobOf(layout, descriptor).toString()) as Manifest;
  const made = (...args: string[]): string => {
    const { code, stdout, stderr } = rig.make([...args, "--json"]);
    expect([code, stderr]).toEqual([0, ""]);
    return (JSON.parse(stdout) as { digest: string }).digest;
  };

  beforeAll(async () => {
    rig = openPackageRig();
    rig.clang("tracer", TRACER);
    rig.clang("mixed", MIXED);
    const port = await freePort();
    host = `127.0.0.1:${port}`;
    rig.write(
      "registry.yml",
      `version: 0.1\nstorage: { filesystem: { rootdirectory: ${join(rig.folder, "registry")} } }\nhttp: { addr: "${host}" }\n`,
    );
    registry = spawn("docker-registry", ["serve", join(rig.folder, "registry.yml")], { stdio: "ignore" });
    for (let tries = 0; ; tries++) {
      try {
        if ((await fetch(`http://${host}/v2/`)).ok) break;
      } catch (error) {
        if (tries > 100) throw error;
      }
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  });
  afterAll(() => {
    registry.kill("SIGKILL");
    rig.close();
  });

  test("what goes through a registry comes back with the same digest, to the byte", () => {
    const digests = {
      "tracer-gadget": made("gadget", "tracer.o"),
      "mixed-bpfman": made("bpfman", "mixed.o"),
      "archive.tar": made("bpfman", "mixed.o", "-o", "archive.tar"),
    };
    for (const [output, digest] of Object.entries(digests)) {
      const from = output.endsWith(".tar") ? `oci-archive:${output}` : `oci:${output}:latest`;
      const to = `docker://${host}/${output}:1`;
      skopeo("copy", "--all", "--preserve-digests", "--dest-tls-verify=false", from, to);
      const raw = skopeo("inspect", "--raw", "--tls-verify=false", to);
      expect(`sha256:${createHash("sha256").update(raw).digest("hex")}`).toBe(digest);
      skopeo("copy", "--all", "--preserve-digests", "--src-tls-verify=false", to, `oci:back-${output}:latest`);
      const blobs = (layout: string): string[] => readdirSync(join(rig.folder, layout, "blobs/sha256")).toSorted();
      if (!output.endsWith(".tar")) expect(blobs(`back-${output}`)).toEqual(blobs(output));
      expect(manifestOf(`back-${output}`, { digest }).manifests).toHaveLength(2);
    }
    expect(digests["archive.tar"]).toBe(digests["mixed-bpfman"]);
  });

  test("a gadget has what Inspektor Gadget asks for", () => {
    const digest = made("gadget", "tracer.o", "-o", "gadget", "--package-version", "1.2.3");
    const index = manifestOf("gadget", { digest });
    expect(index.manifests.map(({ platform }) => platform?.architecture)).toEqual(["amd64", "arm64"]);
    const manifest = manifestOf("gadget", index.manifests[0]!);
    expect(manifest.artifactType).toBe("application/vnd.gadget.v1+binary");
    expect(manifest.config.mediaType).toBe("application/vnd.gadget.config.v1+yaml");
    expect(manifest.layers.map(({ mediaType }) => mediaType)).toEqual([
      "application/vnd.gadget.ebpf.program.v1+binary",
    ]);
    expect(blobOf("gadget", manifest.layers[0]!)).toEqual(readFileSync(join(rig.folder, "tracer.o")));
    expect(manifest.annotations).toEqual({
      "org.opencontainers.image.title": "tracer",
      "org.opencontainers.image.description": "tracer: on_connect",
      "org.opencontainers.image.version": "1.2.3",
      "org.opencontainers.image.licenses": "GPL",
      "org.opencontainers.image.created": "1970-01-01T00:00:00Z",
    });
    expect(parse(blobOf("gadget", manifest.config).toString())).toEqual({
      name: "tracer",
      description: "tracer: on_connect",
      datasources: { conns: { fields: {} } },
      params: { ebpf: { target_pid: { key: "target-pid", defaultValue: "7" } } },
    });
  });

  test("a bytecode image has bpfman's labels, and the object alone in its layer", () => {
    made("bpfman", "mixed.o", "-o", "bytecode");
    skopeo("copy", "--override-arch", "arm64", "oci:bytecode:latest", "oci:one:latest");
    const { Labels, Architecture } = JSON.parse(skopeo("inspect", "oci:one:latest")) as {
      readonly Labels: Readonly<Record<string, string>>;
      readonly Architecture: string;
    };
    expect(Architecture).toBe("arm64");
    expect(JSON.parse(Labels["io.ebpf.programs"]!)).toEqual({ on_connect: "kprobe", pass: "xdp" });
    expect(JSON.parse(Labels["io.ebpf.maps"]!)).toEqual({ hits: "per_cpu_array" });
    run("umoci", "unpack", "--rootless", "--image", "one:latest", "bundle");
    expect(readdirSync(join(rig.folder, "bundle/rootfs"))).toEqual(["mixed.o"]);
    expect(readFileSync(join(rig.folder, "bundle/rootfs/mixed.o"))).toEqual(readFileSync(join(rig.folder, "mixed.o")));
  });

  test("the time is SOURCE_DATE_EPOCH's", () => {
    const at = (epoch: string, output: string): string => {
      const { stdout } = rig.make(["bpfman", "mixed.o", "-o", output, "--json"], { SOURCE_DATE_EPOCH: epoch });
      return (JSON.parse(stdout) as { digest: string }).digest;
    };
    expect(at("1000000000", "then")).toBe(at("1000000000", "again"));
    expect(at("1000000000", "once")).not.toBe(at("0", "never"));
    expect(JSON.parse(skopeo("inspect", "oci:then:latest"))).toMatchObject({ Created: "2001-09-09T01:46:40Z" });
  });
});
