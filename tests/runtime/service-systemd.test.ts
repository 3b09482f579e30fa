/**
 * The unit that `serve unit` prints, under a systemd of its own: the first process of new namespaces (processes, mounts,
 * network, cgroups below one that is made here), with this unit, the journal and a script that drives them.
 */
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { tsbpf } from "./command.ts";
import { openLab, whyNot, type Lab } from "./lab.ts";
import { repository } from "./repository.ts";
import { EVERY, openRig, type Rig } from "./service-rig.ts";

const SYSTEMD = ["/lib/systemd/systemd", "/usr/lib/systemd/systemd"].find((path) => existsSync(path));
const skip = whyNot() ?? (SYSTEMD && spawnSync("journalctl", ["--version"]).status === 0 ? undefined : "no systemd");
const bin = join(repository, "bin/tsbpf");

describe.skipIf(skip)(skip ? `under systemd (skipped: ${skip})` : "under systemd", () => {
  let lab: Lab;
  let rig: Rig;
  /** What the script has written, by the word before it. */
  let said: ReadonlyMap<string, readonly string[]>;
  beforeAll(() => {
    lab = openLab();
    rig = openRig(lab);
    rig.build("every", EVERY());
    expect(tsbpf(["build", "programs/fullmesh.ts", "-o", rig.folder]).err).toBe("");
    const own = lab.cgroup("systemd");
    const file = (version: number, more = ""): string =>
      JSON.stringify({
        keep: true,
        programs: {
          web: { file: "every.o", cgroup: "web", params: { version } },
          paths: { file: "fullmesh.o", netns: "lab", backend: "netlink" },
        },
      }) + more;
    mkdirSync(join(rig.folder, "files"));
    for (const [name, text] of [
      ["first", file(1)],
      ["second", file(2)],
      ["wrong", file(3, "}")],
    ] as const)
      rig.write(`files/${name}.json`, text);
    const unit = (name: string, text: string): void => void rig.write(`units/${name}`, text);
    unit("tsbpf-test.target", "[Unit]\nDefaultDependencies=no\nWants=tsbpf.service drive.service\n");
    // None of the machine's own units is wanted.
    unit(
      "tsbpf.service.d/test.conf",
      "[Unit]\nDefaultDependencies=no\nRequires=systemd-journald.service\nAfter=systemd-journald.service\n[Service]\nWatchdogSec=2\n",
    );
    unit(
      "drive.service",
      `[Unit]\nDefaultDependencies=no\nAfter=tsbpf.service\n[Service]\nType=oneshot\nExecStart=/bin/bash ${join(rig.folder, "drive.sh")}\nExecStopPost=/bin/kill -s RTMIN+14 1\n`,
    );
    rig.write("drive.sh", DRIVE(rig.folder));
    const boot = rig.write("boot.sh", BOOT(rig.folder));
    const { stdout, stderr } = spawnSync(
      "bash",
      ["-c", `echo $BASHPID > ${own}/cgroup.procs; exec timeout -s KILL 120 unshare ${NAMESPACES} bash ${boot}`],
      { encoding: "utf8", timeout: 130_000 },
    );
    // What systemd has made in there, the deepest first.
    spawnSync("find", [own, "-mindepth", "1", "-depth", "-type", "d", "-exec", "rmdir", "{}", ";"]);
    const results = join(rig.folder, "results");
    if (!existsSync(results)) throw new Error(`systemd did not run: ${stdout}${stderr}`);
    const lines = readFileSync(results, "utf8").split("\n").filter(Boolean);
    const found = new Map<string, string[]>();
    for (const line of lines) {
      const [word = "", ...rest] = line.split(" ");
      found.set(word, [...(found.get(word) ?? []), rest.join(" ")]);
    }
    said = found;
  }, 150_000);
  afterAll(() => lab?.close());

  it("it starts with the rights that it asks for, is ready, and says how it is", () => {
    expect(said.get("started")).toEqual(["active running 2 programs run"]);
    expect(said.get("listed")?.[0]).toBe("web attached /sys/fs/cgroup/web, paths managing the network namespace lab");
  });

  it("systemctl reload replaces what has changed, and fails with nothing changed where the file is wrong", () => {
    expect(said.get("reloaded")).toEqual(["0 version 2", "1 version 2"]);
  });

  it("killed, stopped by a signal that nobody hears, and restarted: the link is the same, the program another", () => {
    const [first, ...rest] = said.get("attached") ?? [];
    const [link, program] = first?.split(" ") ?? [];
    expect(rest.map((one) => one.split(" ")[0])).toEqual([link, link, link]);
    expect(new Set([program, ...rest.map((one) => one.split(" ")[1])]).size).toBe(4);
    expect(said.get("restarts")).toEqual(["1 active", "2 active"]);
  });

  it("stopped with keep, all stays; serve stop --detach ends it and puts the namespace back", () => {
    expect(said.get("stopped")).toEqual(["0 1 link, path manager 1", "0 0 links, path manager 0"]);
  });

  it("the journal has levels", () => {
    const levels = (said.get("journal") ?? []).map((line) => JSON.parse(line) as { PRIORITY: string; MESSAGE: string });
    const of = (text: string): string[] =>
      levels.filter(({ MESSAGE }) => MESSAGE.startsWith(text)).map((one) => one.PRIORITY);
    expect(of("web: attached to")[0]).toBe("6");
    expect(of("paths: network namespace lab: net.mptcp.")[0]).toBe("5");
    // What a reload by the signal finds wrong is an error.
    expect(of("not reloaded, all runs on as before: ")[0]).toBe("3");
  });
});

const NAMESPACES = "--mount --pid --fork --kill-child --net --uts --ipc --cgroup --mount-proc";

/** Before systemd: file systems of its own. */
const BOOT = (folder: string): string => `set -e
mount --make-rprivate /
umount -R /sys/fs/cgroup
mount -t tmpfs -o mode=0755 tmpfs /run
mount -t sysfs sysfs /sys
mount -t cgroup2 none /sys/fs/cgroup
mount -t bpf -o mode=0700 bpf /sys/fs/bpf
mount --make-rshared /
# What is below /tmp a unit with a /tmp of its own does not see.
mkdir -p /run/service
cp ${folder}/*.o ${folder}/files/*.json /run/service
cp /run/service/first.json /run/service/service.json
mkdir -p /run/systemd /sys/fs/cgroup/web
cp -r ${folder}/units /run/systemd/system
ip link set lo up
ip netns add lab
unset TSBPF_RUN_DIR
${bin} serve unit /run/service/service.json > /run/systemd/system/tsbpf.service
export container=tsbpf
exec ${SYSTEMD} --system --unit=tsbpf-test.target --log-target=null
`;
/** Beside the service. */
const DRIVE = (folder: string): string => `
exec 2>&1
tell() { echo "$@" >> ${folder}/results; }
shown() { ${bin} serve show web | grep -o 'version *[0-9]' | tr -s ' '; }
links() { ${bin} list --json | tr -d '\\n ' | grep -o '"link":[0-9]*,"program":"every","programId":[0-9]*,"object":"web"' | grep -o '[0-9][0-9]*' | paste -sd ' '; }
is() { systemctl show tsbpf -P "$1"; }
manager() { ip netns exec lab cat /proc/sys/net/mptcp/pm_type; }
another() { for _ in $(seq 300); do [ "$(is MainPID)" != "$1" ] && [ "$(is ActiveState)" = active ] && return; sleep 0.1; done; }
tell started "$(is ActiveState) $(is SubState) $(is StatusText)"
tell listed "$(${bin} serve list | grep '^web\\|^paths' | grep '  ' | sed 's/^\\(\\w*\\) *\\w* *\\(\\w*\\) *\\(.*[^ ]\\)  *2.*$/\\1 \\2 \\3/' | paste -sd , | sed 's/,/, /')"
tell attached "$(links)"
cp /run/service/second.json /run/service/service.json
systemctl reload tsbpf; tell reloaded "$? $(shown)"
tell attached "$(links)"
cp /run/service/wrong.json /run/service/service.json
systemctl reload tsbpf; tell reloaded "$? $(shown)"
kill -HUP "$(is MainPID)"; sleep 1
cp /run/service/second.json /run/service/service.json
main=$(is MainPID); kill -KILL $main; another $main
tell restarts "$(is NRestarts) $(is ActiveState)"
tell attached "$(links)"
# Its watchdog ends it.
main=$(is MainPID); kill -STOP $main; another $main
tell restarts "$(is NRestarts) $(is ActiveState)"
tell attached "$(links)"
systemctl stop tsbpf; tell stopped "$? $(links | grep -c .) link, path manager $(manager)"
systemctl start tsbpf
${bin} serve stop --detach; tell stopped "$? $(links | grep -c .) links, path manager $(manager)"
journalctl -u tsbpf -o json --no-pager --output-fields=PRIORITY,MESSAGE | while read -r line; do tell journal "$line"; done
`;
