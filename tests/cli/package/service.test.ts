/** Packages of a service: what Kubernetes' schemas, dpkg and systemd say of them, and that they are the same each time. */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DaemonSet } from "kubernetes-models/apps/v1/DaemonSet";
import { ConfigMap } from "kubernetes-models/v1/ConfigMap";
import ts from "typescript";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parse, parseAllDocuments } from "yaml";
import { root } from "../../programs.ts";
import { missing, openPackageRig, SERVICE, type PackageRig } from "./rig.ts";
import { rendered } from "./chart.ts";

let rig: PackageRig;
beforeAll(() => {
  rig = openPackageRig();
});
afterAll(() => rig.close());

const made = (...args: string[]): void => {
  const { code, stderr } = rig.make(args);
  expect([code, stderr]).toEqual([0, ""]);
};
const text = (path: string): string => readFileSync(join(rig.folder, path), "utf8");
const run = (tool: string, ...args: string[]): string => {
  const { status, stdout, stderr } = spawnSync(tool, args, { cwd: rig.folder, encoding: "utf8", timeout: 60_000 });
  expect([status, stderr]).toEqual([0, ""]);
  return stdout;
};
const IMAGE = ["--image", "registry.example/tsbpf:1"];

interface Container {
  readonly securityContext: { readonly capabilities: { readonly add: readonly string[] } };
  readonly volumeMounts: readonly { readonly mountPath: string }[];
}
interface Set {
  readonly spec: {
    readonly template: {
      readonly metadata: { readonly annotations: Readonly<Record<string, string>> };
      readonly spec: {
        readonly containers: readonly Container[];
        readonly volumes: readonly { readonly configMap?: { readonly name: string } }[];
      };
    };
  };
}
interface Map {
  readonly metadata: { readonly name: string };
  readonly data: Readonly<Record<string, string>>;
  readonly binaryData: Readonly<Record<string, string>>;
}
const manifestsIn = (yaml: string): readonly [Map, Set] =>
  parseAllDocuments(yaml).map((one) => (one as { toJS(): unknown }).toJS()) as unknown as readonly [Map, Set];

/** What the schemas have against manifests: values that do not fit, and, by the types made of them, names that they do not know. */
function faultsOf([configMap, daemonSet]: readonly [unknown, unknown]): readonly string[] {
  const file = join(rig.folder, "check.mts");
  writeFileSync(
    file,
    `import type { IDaemonSet } from "kubernetes-models/apps/v1/DaemonSet";
import type { IConfigMap } from "kubernetes-models/v1/ConfigMap";
export const configMap: IConfigMap = ${JSON.stringify(configMap)};
export const daemonSet: IDaemonSet = ${JSON.stringify(daemonSet)};
`,
  );
  const program = ts.createProgram([file], {
    noEmit: true,
    strict: true,
    skipLibCheck: true,
    types: [],
    module: ts.ModuleKind.NodeNext,
    target: ts.ScriptTarget.ES2022,
  });
  const unknown = ts
    .getPreEmitDiagnostics(program)
    .map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, " "));
  const bad = [() => new ConfigMap(configMap as object).validate(), () => new DaemonSet(daemonSet as never).validate()]
    .map((validate) => {
      try {
        validate();
        return "";
      } catch (error) {
        return (error as Error).message;
      }
    })
    .filter(Boolean);
  return [...unknown, ...bad];
}

describe("Kubernetes", () => {
  test("its schemas take the manifests, and nothing that is wrong with them", () => {
    made("kubernetes", "service.json", ...IMAGE);
    const manifests = manifestsIn(text("tsbpf.yaml"));
    expect(faultsOf(manifests)).toEqual([]);
    const [configMap, daemonSet] = manifests;
    const broken = structuredClone(daemonSet) as { spec: Record<string, unknown> };
    broken.spec["updateStrategies"] = {};
    expect(faultsOf([configMap, broken]).join()).toContain("updateStrategies");
    expect(faultsOf([{ ...configMap, immutable: "yes" }, daemonSet]).join()).toContain("immutable");
  });

  test("the config map has the file and the objects, and its name goes with them", () => {
    const [configMap, daemonSet] = manifestsIn(text("tsbpf.yaml"));
    const config = JSON.parse(configMap.data["service.json"]!) as unknown;
    expect(config).toEqual({
      keep: true,
      programs: {
        timeout: {
          file: "/etc/tsbpf/timeout.o",
          cgroup: "system.slice/web.service",
          params: { timeoutSeconds: "7" },
        },
      },
    });
    expect(Buffer.from(configMap.binaryData["timeout.o"]!, "base64").subarray(1, 4).toString()).toBe("ELF");
    const { volumes, containers } = daemonSet.spec.template.spec;
    expect(volumes[0]!.configMap?.name).toBe(configMap.metadata.name);
    const mounts = containers[0]!.volumeMounts.map(({ mountPath }) => mountPath);
    expect(mounts).toEqual(expect.arrayContaining(["/etc/tsbpf/service.json", "/etc/tsbpf/timeout.o", "/sys/fs/bpf"]));
    rig.write("other.json", JSON.stringify({ ...SERVICE, keep: false }));
    const { stderr } = rig.make(["kubernetes", "other.json", ...IMAGE, "-o", "other.yaml"]);
    expect(stderr).toMatch(/^warning: without `keep: true`/);
    expect(manifestsIn(text("other.yaml"))[0].metadata.name).not.toBe(configMap.metadata.name);
  });

  test("a pod has the capabilities that its programs take", () => {
    const [, daemonSet] = manifestsIn(text("tsbpf.yaml"));
    expect(daemonSet.spec.template.spec.containers[0]!.securityContext.capabilities.add).toEqual([
      "BPF",
      "PERFMON",
      "NET_ADMIN",
      "SYS_ADMIN",
    ]);
    rig.write("paths.json", JSON.stringify({ programs: { paths: { file: "fullmesh.ts" } } }));
    expect(rig.make(["kubernetes", "paths.json", ...IMAGE, "-o", "p.yaml"])).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(
        /^error\[kind-not-taken\]: a path manager over netlink .*\n {2}help: run it on the node/,
      ) as string,
    });
  });

  test("Prometheus is told where a pod's metrics are, where it reaches them", () => {
    const metricsAt = (listen: string | undefined): readonly [Set, string, unknown] => {
      const name = `metrics-${(listen ?? "none").replaceAll(/\W/g, "-")}`;
      rig.write(`${name}.json`, JSON.stringify({ ...SERVICE, metrics: listen === undefined ? {} : { listen } }));
      const { code, stderr } = rig.make(["kubernetes", `${name}.json`, ...IMAGE, "-o", `${name}.yaml`]);
      expect(code).toBe(0);
      const [configMap, daemonSet] = manifestsIn(text(`${name}.yaml`));
      return [daemonSet, stderr, (JSON.parse(configMap.data["service.json"]!) as { metrics: unknown }).metrics];
    };
    const [open, quiet, metrics] = metricsAt("0.0.0.0:9100");
    expect(open.spec.template.metadata.annotations).toMatchObject({
      "prometheus.io/scrape": "true",
      "prometheus.io/port": "9100",
      "prometheus.io/path": "/metrics",
    });
    expect([quiet, metrics]).toEqual(["", { listen: "0.0.0.0:9100" }]);
    const [closed, said, here] = metricsAt(undefined);
    expect(closed.spec.template.metadata.annotations).not.toHaveProperty("prometheus.io/scrape");
    expect(said).toMatch(/^warning: metrics are told at 127\.0\.0\.1 of the node alone: /);
    expect(here).toEqual({});
  });

  test("the chart with its own values is the plain manifests, and takes others", () => {
    made("helm", "service.json", ...IMAGE);
    expect(parse(text("tsbpf-chart/Chart.yaml"))).toMatchObject({ apiVersion: "v2", name: "tsbpf" });
    const values = parse(text("tsbpf-chart/values.yaml")) as object;
    const chart = (more: object): readonly [Map, Set] =>
      manifestsIn(
        ["configmap", "daemonset"]
          .map((name) => rendered(text(`tsbpf-chart/templates/${name}.yaml`), { ...values, ...more }, "tsbpf"))
          .join("---\n"),
      );
    expect(chart({})).toEqual(manifestsIn(text("tsbpf.yaml")));
    const other = chart({ image: "other:2", tolerations: [], nodeSelector: { disk: "ssd" } });
    expect(other[1]).toMatchObject({
      spec: {
        template: { spec: { tolerations: [], nodeSelector: { disk: "ssd" }, containers: [{ image: "other:2" }] } },
      },
    });
    expect(faultsOf(other)).toEqual([]);
  });
});

const noDpkg = missing("dpkg", "dpkg-deb");
describe.skipIf(noDpkg)(noDpkg ? `Debian (skipped: ${noDpkg})` : "Debian", () => {
  test("dpkg reads the package, installs it and removes it", () => {
    made(
      "debian",
      "service.json",
      "--name",
      "tsbpf-web",
      "--package-version",
      "1.2-1",
      "--maintainer",
      "Me <me@example.org>",
    );
    const fields = run("dpkg-deb", "-f", "tsbpf-web.deb");
    expect(fields).toMatch(/^Package: tsbpf-web\nVersion: 1\.2-1\n/);
    expect(fields).toContain("Maintainer: Me <me@example.org>\n");
    const files = run("dpkg-deb", "-c", "tsbpf-web.deb");
    for (const path of [
      "etc/tsbpf/service.json",
      "usr/share/tsbpf/objects/timeout.o",
      "usr/lib/systemd/system/tsbpf.service",
    ])
      expect(files).toMatch(new RegExp(`^-rw-r--r-- root/root +\\d+ 1970-01-01 00:00 \\./${path}$`, "m"));
    const place = join(rig.folder, "root");
    mkdirSync(join(place, "var/lib/dpkg"), { recursive: true });
    writeFileSync(join(place, "var/lib/dpkg/status"), "");
    const dpkg = (...args: string[]): string => {
      const { status, stdout, stderr } = spawnSync(
        "dpkg",
        [
          `--root=${place}`,
          "--force-not-root",
          "--force-script-chrootless",
          "--force-depends",
          "--force-bad-path",
          ...args,
        ],
        { cwd: rig.folder, encoding: "utf8" },
      );
      expect([
        status,
        stderr.replaceAll(/.*(dpkg: warning|depends on|is not installed|dpkg: tsbpf-web).*\n/g, "").trim(),
      ]).toEqual([0, ""]);
      return stdout;
    };
    dpkg("-i", "tsbpf-web.deb");
    expect(run("dpkg", `--root=${place}`, "-s", "tsbpf-web")).toContain("Status: install ok installed");
    expect(run("dpkg", `--root=${place}`, "--verify", "tsbpf-web")).toBe("");
    // What it has installed is the whole command: it finds its parts, the native one among them, without this checkout.
    const command = join(place, "usr/bin/tsbpf");
    expect(run(command, "--version")).toContain("mainline");
    expect(run(process.execPath, "-e", `require("${place}/usr/lib/tsbpf/node_modules/koffi").load(null)`)).toBe("");
    expect(run(command, "disasm", join(place, "usr/share/tsbpf/objects/timeout.o"))).toContain("userTimeout");
    dpkg("-r", "tsbpf-web");
    expect(existsSync(command)).toBe(false);
    expect(existsSync(join(place, "etc/tsbpf/service.json"))).toBe(true);
  });

  const noAnalyze = missing("systemd-analyze");
  test.skipIf(noAnalyze)(`systemd takes the unit${noAnalyze ? ` (skipped: ${noAnalyze})` : ""}`, () => {
    const unit = join(rig.folder, "tsbpf.service");
    const packed = run(
      "sh",
      "-c",
      "dpkg-deb --fsys-tarfile tsbpf-web.deb | tar -xO ./usr/lib/systemd/system/tsbpf.service",
    );
    expect(packed).toContain("ExecStart=/usr/bin/tsbpf serve /etc/tsbpf/service.json\n");
    writeFileSync(unit, packed.replaceAll("/usr/bin/tsbpf", join(root, "bin/tsbpf")));
    expect(run("systemd-analyze", "verify", "--man=no", unit)).toBe("");
  });
});

const noAnalyze = missing("systemd-analyze");
test.skipIf(noAnalyze)(
  `systemd takes the drop-in of pinned programs${noAnalyze ? ` (skipped: ${noAnalyze})` : ""}`,
  () => {
    made("systemd", "service-address.ts", "--name", "address", "--pins", "/sys/fs/bpf/50%");
    const dropIn = text("address.conf");
    expect([...dropIn.matchAll(/^BPFProgram=(.*)$/gm)].map(([, value]) => value)).toEqual([
      "connect4:/sys/fs/bpf/50%%/objects/address/programs/service4",
      "connect6:/sys/fs/bpf/50%%/objects/address/programs/service6",
    ]);
    const folder = join(rig.folder, "web.service.d");
    mkdirSync(folder);
    rig.write("web.service", "[Service]\nExecStart=/bin/true\n");
    const verify = (value: string): string => {
      writeFileSync(join(folder, "tsbpf.conf"), value);
      const { stdout, stderr } = spawnSync("systemd-analyze", ["verify", "--man=no", join(rig.folder, "web.service")], {
        encoding: "utf8",
      });
      return stdout + stderr;
    };
    expect(verify(dropIn)).not.toMatch(/tsbpf\.conf/);
    expect(verify(dropIn.replace("connect4:", "conect4:"))).toMatch(/tsbpf\.conf.*conect4/);
  },
);

test("the container is the command and a definition that names it", () => {
  made("container", "service.json");
  expect(text("tsbpf-container/Containerfile")).toContain('ENTRYPOINT ["/usr/bin/tsbpf"]');
  expect(statSync(join(rig.folder, "tsbpf-container/rootfs/usr/lib/tsbpf/bin/tsbpf")).mode & 0o777).toBe(0o755);
  expect(run(join(rig.folder, "tsbpf-container/rootfs/usr/bin/tsbpf"), "--version")).toContain("mainline");
});

test.each([
  ["container", "c.tar"],
  ["kubernetes", "k.yaml"],
  ["helm", "h.tar"],
  ["debian", "d.deb"],
])("%s: the same source is the same package, to the byte", (format, output) => {
  const bytes = ["a", "b"].map((folder) => {
    made(format, "service.json", ...IMAGE, "-o", `${folder}/${output}`);
    return readFileSync(join(rig.folder, folder, output));
  });
  expect(bytes[0]!.equals(bytes[1]!)).toBe(true);
});
