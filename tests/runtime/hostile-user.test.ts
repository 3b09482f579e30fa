// A hostile local user against root's commands: planted pins, caches, names and files, in a mount namespace of its own.
import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { openLab, whyNot, type Lab } from "./lab.ts";
import { repository } from "./repository.ts";

const tools = ["unshare", "setpriv"].filter((tool) => spawnSync(tool, ["--version"]).status !== 0);
const skip = whyNot() ?? (tools.length > 0 ? `no ${tools.join(", ")}` : undefined);

/** What a terminal would obey. */
const CONTROLS = /[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]/;

describe.skipIf(skip)(skip ? `a hostile user (skipped: ${skip})` : "a hostile user", () => {
  let lab: Lab;
  let folder: string;
  let cgroup: string;
  beforeAll(() => {
    lab = openLab();
    folder = mkdtempSync(join(tmpdir(), "tsbpf-hostile-"));
    lab.defer(() => rmSync(folder, { recursive: true, force: true }));
    cgroup = lab.cgroup("hostile");
    writeFileSync(join(folder, "prelude.sh"), PRELUDE);
  });
  afterAll(() => lab?.close());

  /** Runs a script as root where $BPF is a bpffs with the default mode; `user …` runs as another user, `tsbpf` is the command. */
  function scene(script: string): { readonly code: number | null; readonly out: string } {
    const { status, stdout, stderr } = spawnSync(
      "unshare",
      ["-m", "--propagation", "private", "bash", "-c", `. ${join(folder, "prelude.sh")}\n${script}`],
      {
        cwd: repository,
        encoding: "utf8",
        timeout: 170_000,
        env: {
          ...process.env,
          NO_COLOR: "1",
          BIN: join(repository, "bin/tsbpf"),
          CG: cgroup,
          PROGRAMS: join(repository, "programs"),
        },
      },
    );
    return { code: status, out: stdout + stderr };
  }

  it("has no file removed by planted links, and cannot hide or end what is attached", () => {
    const { out } = scene(`
      # Planted before root comes: the folder is another's.
      user mkdir -p $BPF/tsbpf/objects/x
      user ln -s $FILES $BPF/tsbpf/objects/x/programs
      tsbpf detach --all --pins $BPF/tsbpf; echo "detach $?"
      tsbpf load $OBJECT --pins $BPF/tsbpf; echo "load $?"
      tsbpf list --pins $BPF/tsbpf; echo "list $?"
      ls $FILES
      # In a folder of root's, nothing can be planted, moved or removed.
      tsbpf load $OBJECT --cgroup $CG --pins $BPF/own; echo "own $?"
      user mv $BPF/own $BPF/away; user rm -r $BPF/own; user mkdir $BPF/own/objects/y; user ln -s $FILES $BPF/own/objects/z
      tsbpf list --pins $BPF/own; tsbpf detach --all --pins $BPF/own; echo "end $?"
    `);
    expect(out.match(/belongs to user 65534, who could swap/g)).toHaveLength(3);
    expect(out).toMatch(/^detach 1$/m);
    expect(out).toContain("load 1");
    expect(out).toContain("list 1");
    expect(out).toMatch(/^precious$/m);
    expect(out).toContain("own 0");
    expect(out).toMatch(new RegExp(`userTimeout +\\d+ +user-timeout +${cgroup}`));
    expect(out).toContain(`user-timeout removed, detached from ${cgroup}`);
    expect(out).toContain("end 0");
  }, 180_000);

  it("gets no cache of its own run by root", () => {
    const { out } = scene(`
      # A copy of the package without an installed cache; the user's is made by the user.
      mkdir $WORK/package && cp -r ${repository}/bin ${repository}/dist ${repository}/programs ${repository}/package.json $WORK/package && chmod -R go+rX $WORK
      user env HOME=$HOME_OF XDG_CACHE_HOME= node $WORK/package/bin/startup.cjs
      stamp=$(echo $HOME_OF/.cache/tsbpf/*/stamp); [ -f "$stamp" ] && echo "the user has one"
      # The stamp carries flags for Node: the user's would be obeyed.
      user sh -c "echo 'console.log(\\"owned\\")' >$HOME_OF/evil.cjs; sed -i '\\$s|.*|--require $HOME_OF/evil.cjs|' $stamp"
      chown -R root:root $HOME_OF/.cache/tsbpf
      HOME=$HOME_OF XDG_CACHE_HOME= $WORK/package/bin/tsbpf --version; echo "root $?"
      HOME=$HOME_OF XDG_CACHE_HOME=$HOME_OF/.cache $WORK/package/bin/tsbpf doctor --pins $BPF/t >/dev/null; echo "doctor $?"
      find $HOME_OF -newer $WORK/mark -user root -type d | grep -c . 
    `);
    expect(out).toContain("the user has one");
    expect(out).not.toContain("owned");
    expect(out).toMatch(/^root 0$/m);
    expect(out).toMatch(/^0\.1\.0$|^\d+\.\d+\.\d+$/m);
  }, 180_000);

  it("keeps nobody waiting, leads no command elsewhere, and hides nobody else's objects", () => {
    const { out } = scene(`
      cd $WORK; mkdir -p $WORK/theirs && chown 65534:65534 $WORK/theirs
      # Caches, sources, configurations and namespaces that nobody ever writes to.
      mkdir $WORK/package && cp -r ${repository}/bin ${repository}/dist ${repository}/programs ${repository}/package.json $WORK/package
      id=$(cat ${repository}/dist/build.id)
      user mkdir -p $HOME_OF/.cache/tsbpf/$id-x
      for name in stamp snapshot.blob code.bin code.stamp; do user mkfifo $HOME_OF/.cache/tsbpf/$id-x/$name; done
      for home in theirs roots; do
        [ $home = theirs ] || { cp -a $HOME_OF $WORK/roots; chown -R root:root $WORK/roots; HOME_OF=$WORK/roots; }
        HOME=$HOME_OF XDG_CACHE_HOME= timeout 30 $WORK/package/bin/tsbpf --version >/dev/null; echo "$home cache $?"
      done
      user mkfifo $WORK/theirs/pipe.ts $WORK/theirs/tsconfig.json $WORK/theirs/pipe.o $WORK/theirs/netns
      user ln -s $FILES/precious $WORK/theirs/shadow.ts
      user sh -c "cat >$WORK/theirs/unused.ts" <$PROGRAMS/user-timeout.ts
      echo 'const unused = 1;' >>$WORK/theirs/unused.ts
      for args in "check theirs/pipe.ts" "check theirs/shadow.ts" "check theirs/unused.ts" "verify theirs/pipe.o" "load theirs/pipe.o" \
        "run $OBJECT --cgroup $CG --for 0.1 --netns $WORK/theirs/netns"; do
        timeout 30 "$BIN" $args; echo "$args: $?"
      done
      # A folder of records, and a link with the name of a cgroup.
      TSBPF_RUN_DIR=$WORK/theirs/run tsbpf run $OBJECT --cgroup $CG --for 0.1; echo "records $?"
      user ln -s /sys/fs/cgroup $WORK/theirs/nowhere
      cd $WORK/theirs; tsbpf load $OBJECT --cgroup nowhere --pins $BPF/own; echo "link $?"; cd $WORK
      # One object that has become another's does not hide the others, or keep them.
      for name in a b c; do tsbpf load $OBJECT --cgroup $CG --pins $BPF/own --name $name >/dev/null 2>&1; done
      mkdir $BPF/own/objects/a/links/strange; chown 65534 $BPF/own/objects/b
      tsbpf list --pins $BPF/own; echo "list $?"
      tsbpf detach --all --pins $BPF/own; echo "detach $?"
      rmdir $BPF/own/objects/a/links/strange; chown 0 $BPF/own/objects/b; tsbpf detach --all --pins $BPF/own; echo "end $?"
    `);
    expect(out).not.toContain("s3cret");
    expect(out).toMatch(/^theirs cache 0$/m);
    expect(out).toMatch(/^roots cache 0$/m);
    for (const [what, code] of [
      ["check theirs/pipe.ts", 1],
      ["check theirs/shadow.ts", 1],
      ["check theirs/unused.ts", 0],
      ["verify theirs/pipe.o", 1],
      ["load theirs/pipe.o", 1],
      ["records", 1],
      ["link", 1],
      ["list", 1],
      ["detach", 1],
      ["end", 0],
    ] as const)
      expect(out, what).toMatch(new RegExp(`^${what}:? ${code}$`, "m"));
    expect(out).toMatch(/^run .*netns: 1$/m);
    expect(out).toContain("which another user may change");
    expect(out).toMatch(/no such cgroup: .*\/nowhere/);
    for (const name of ["a", "c"]) expect(out).toMatch(new RegExp(`userTimeout +\\d+ +${name} +${cgroup}`));
    expect(out).toContain(`c removed, detached from ${cgroup}`);
    expect(out).toMatch(/objects\/b belongs to user 65534/);
  }, 180_000);

  it("gets no line of a file shown, and no control character to a terminal", () => {
    const { out } = scene(`
      cd $WORK
      cat >program.ts <<'END'
import { secret } from "../../../../../../root-secret";
import { other } from "\${FILES}/precious";
export const x = secret + other;
END
      sed -i "s|\\\${FILES}|$FILES|" program.ts
      tsbpf check program.ts; tsbpf check --json program.ts
      evil=$(printf 'a\\033]0;owned\\007\\033[2Jb\\302\\233c\\342\\200\\256')
      cp program.ts "$evil.ts"; cp $OBJECT "$evil.o"; echo nonsense >"$evil.x.o"
      for each in "$evil.ts" "$evil.x.o" "$evil.o"; do
        for json in "" --json; do
          tsbpf check $json "$each"; tsbpf build $json "$each"; tsbpf disasm $json "$each"; tsbpf verify $json "$each"
        done
      done
      tsbpf load "$evil.o" --pins $BPF/t; tsbpf load "$evil.o" --pins $BPF/t
      for json in "" --json; do
        tsbpf list $json --pins $BPF/t; tsbpf map get "$evil/$evil" 1 $json --pins $BPF/t; tsbpf "$evil"; tsbpf run "$evil.x.o" $json
        tsbpf detach $json "$evil" --pins $BPF/t; tsbpf detach $json "$evil" --pins $BPF/t
      done
    `);
    expect(out).toContain("it lies outside of the project");
    expect(out).not.toContain("s3cret");
    expect(out).toContain("owned");
    const line = out.split("\n").find((one) => CONTROLS.test(one));
    expect(line === undefined ? undefined : JSON.stringify(line)).toBeUndefined();
  }, 180_000);

  it("with a full disk under root's output leaves nothing attached or pinned", () => {
    const { out } = scene(`
      tsbpf run $OBJECT --cgroup $CG --pin lost --pins $BPF/t >/dev/full; echo "run $?"
      tsbpf list --pins $BPF/t --json | grep -c hostile; ls $BPF
      { sleep 0.3; tsbpf run $OBJECT --cgroup $CG --pin lost --pins $BPF/t 2>&1 >&3 | cat; } 3>&1 | true
      ls $BPF; echo end
    `);
    expect(out).toContain("error[output-lost]: standard output: no space left on the device");
    expect(out).toContain("run 1");
    expect(out).not.toMatch(/^ {4}at /m);
    expect(out).toMatch(/^end$/m);
    expect(out).not.toMatch(/^t$/m);
  }, 180_000);
});

const PRELUDE = `
WORK=$(mktemp -d); BPF=$WORK/bpf; FILES=$WORK/files; HOME_OF=$WORK/home
trap 'umount $BPF; rm -rf $WORK' EXIT
chmod 755 $WORK; mkdir $BPF $FILES $HOME_OF; mount -t bpf bpf $BPF
echo 's3cret line' >$FILES/precious; chmod 600 $FILES/precious; touch $WORK/mark; chown 65534:65534 $HOME_OF
user() { setpriv --reuid=65534 --regid=65534 --clear-groups --inh-caps=-all "$@" 2>/dev/null; }
tsbpf() { "$BIN" "$@"; }
tsbpf build $PROGRAMS/user-timeout.ts -o $WORK >/dev/null; OBJECT=$WORK/user-timeout.o
`;
