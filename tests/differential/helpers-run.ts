/**
 * Which helpers a program may call, against the running kernel: every helper, for every kind of program whose helpers are known
 * and for each of its attach types. A call without arguments is refused in any case; the words tell whether the helper was known.
 *
 *   npm run test:differential -- helpers
 */
import {
  attachTypesOf,
  kindOf,
  KINDS,
  mayCall,
  PROGRAM_TYPE_NAMES,
  type ProgramTypeName,
} from "../../compiler/bpf/kinds/index.ts";
import { HELPERS, type HelperName } from "../../compiler/bpf/helpers.ts";
import { LOAD_FLAGS } from "../../compiler/verifier/env.ts";
import { kernelUnavailable, loadProgram, runningRelease } from "./kernel.ts";

const NOT_ALLOWED = /unknown func|invalid func|program of this type cannot use helper|cannot use helper/;
/** The patched kernel's own. */
const OURS = 212;
/** What kernels of one release differ in: what it would take for them to say otherwise than our tables. */
const BY_CONFIGURATION: Readonly<Partial<Record<HelperName, { readonly ours: boolean; readonly why: string }>>> = {
  probe_write_user: { ours: false, why: "no lockdown" },
  get_cgroup_classid: { ours: true, why: "no CONFIG_CGROUP_NET_CLASSID" },
};

/** Whether the kernel lets programs of this kind call the helper; undefined where it refuses the program for another reason first. */
function kernelAllows(type: ProgramTypeName, attach: number, id: number): boolean | undefined {
  const insns = [
    { code: 0x85, dst: 0, src: 0, off: 0, imm: id },
    { code: 0xb7, dst: 0, src: 0, off: 0, imm: 1 },
    { code: 0x95, dst: 0, src: 0, off: 0, imm: 0 },
  ];
  const flags = type === "syscall" ? LOAD_FLAGS.sleepable : 0;
  const { errno, log } = loadProgram({ type: KINDS[type].number, attach, flags, insns, license: "GPL", logLevel: 1 });
  if (errno === 0) return true;
  if (log.trim() === "") return undefined;
  return !NOT_ALLOWED.test(log);
}

/** Exit code 0 if both agree on every helper of every kind. */
export function helpersMain(): number {
  const reason = kernelUnavailable();
  if (reason !== undefined) {
    console.log(`skipped: ${reason}`);
    return 3;
  }
  const release = runningRelease();
  let tried = 0;
  let unasked = 0;
  let different = 0;
  const configured = new Map<string, number>();
  for (const type of PROGRAM_TYPE_NAMES) {
    if (kindOf(type)!.helpers === undefined) continue;
    for (const attach of attachTypesOf(type)) {
      for (const name of Object.keys(HELPERS) as HelperName[]) {
        const { id } = HELPERS[name];
        if (id >= OURS) continue;
        const kernel = kernelAllows(type, attach, id);
        if (kernel === undefined) unasked++;
        else tried++;
        const ours = mayCall(type, attach, name, release);
        if (kernel === undefined || kernel === ours) continue;
        const by = BY_CONFIGURATION[name];
        if (by !== undefined && by.ours === ours) {
          configured.set(`bpf_${name}: ${by.why}`, (configured.get(`bpf_${name}: ${by.why}`) ?? 0) + 1);
          continue;
        }
        different++;
        console.log(`${type} (${attach}): bpf_${name}: ours ${ours}, kernel ${kernel}`);
      }
    }
  }
  for (const [what, times] of configured) console.log(`${what}: ${times} times`);
  console.log(`${tried} helpers asked, ${unasked} could not be, ${different} different`);
  return different === 0 && tried > 0 ? 0 : 1;
}
