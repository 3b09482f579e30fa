/** Structs of functions that the kernel is given (struct_ops): the map that holds one, and its registration. */
import { FEATURES } from "../../compiler/bpf/kernels.ts";
import { opsStruct } from "../../compiler/bpf/kinds/struct-ops.ts";
import type { BpfProgram, StructOps } from "../../compiler/module.ts";
import { BPF } from "./abi.ts";
import { bpf } from "./bpf.ts";
import { failed, RuntimeError } from "./errors.ts";
import { closeFd } from "./fd.ts";
import { STRUCT_OPS_LINK } from "./info.ts";
import { linkHandle, type LinkHandle } from "./links.ts";
import { objectName } from "./names.ts";
import { probe } from "./probe.ts";
import { runningTypes, type RunningStruct } from "./running-types.ts";

/** BPF_MAP_TYPE_STRUCT_OPS, BPF_F_LINK, BPF_STRUCT_OPS (include/uapi/linux/bpf.h). */
const STRUCT_OPS_MAP = 26;
const BY_LINK = 1 << 13;
const ATTACH_TYPE = 44;

/** What a kernel has that takes the struct, for people. */
const aboutOf = (struct: string): string => {
  const needs = opsStruct(struct)?.needs;
  return needs ? `others have ${FEATURES[needs].about}` : "tsbpf does not know it either";
};

/** The kernel's own struct, and the one around it that a map of it holds. */
function structs(struct: string): { readonly own: RunningStruct; readonly value: RunningStruct; readonly at: number } {
  const types = runningTypes();
  const own = types.struct(struct);
  const value = types.struct(`bpf_struct_ops_${struct}`);
  const at = value?.members.find(({ name }) => name === "data")?.offset;
  if (!own || !value || at === undefined)
    throw new RuntimeError("kernel-lacks", `this kernel takes no ${struct} from programs`, {
      help: `${aboutOf(struct)}; \`tsbpf doctor\` shows what this kernel offers`,
    });
  return { own, value, at };
}

/** What loading a member of a struct takes: which struct, by its type's number, and which member, by its position. */
export function memberOf({ name, implements: is }: BpfProgram): { readonly struct: number; readonly member: number } {
  if (!is)
    throw new RuntimeError("bad-object", `program ${name}: the object does not say which function of the kernel it is`);
  const { own } = structs(is.struct);
  return { struct: own.id, member: position(own, is.struct, is.member).index };
}

function position(own: RunningStruct, struct: string, member: string): RunningStruct["members"][number] {
  const found = own.members.find(({ name }) => name === member);
  if (found) return found;
  throw new RuntimeError("kernel-lacks", `the struct ${struct} of this kernel has no ${member}`, {
    help: "build without it, or boot a kernel that has it",
  });
}

/** A struct that the kernel may be given. */
export interface StructHandle {
  readonly name: string;
  /** The kernel's name of the struct. */
  readonly struct: string;
  /** What it is registered as, where it has a name. */
  readonly registered: string | undefined;
  readonly fd: number;
  /** Registers it; it stays so until the link ends. */
  register(): LinkHandle;
}

/** Makes the map that holds a struct; `programs` are descriptors by name, `btfFd` is one of any BTF: the kernel asks for one and does not look. */
export function makeStruct(
  one: StructOps,
  programs: ReadonlyMap<string, number>,
  btfFd: number | undefined,
): StructHandle {
  const { own, value, at } = structs(one.struct);
  const bytes = content(one, programs, { own, bytes: value.bytes, at });
  const linked = probe("struct-ops-links").ok;
  const fd = bpf(BPF.mapCreate, "mapCreate", {
    map_type: STRUCT_OPS_MAP,
    key_size: 4,
    value_size: value.bytes,
    max_entries: 1,
    map_flags: linked ? BY_LINK : 0,
    map_name: objectName(one.name),
    btf_fd: btfFd,
    btf_vmlinux_value_type_id: value.id,
  });
  if (fd < 0) throw failed("system", `making the map of ${one.name}`, fd);
  const update = (): void => {
    const result = bpf(BPF.mapUpdate, "element", { map_fd: fd, key: new Uint8Array(4), value: bytes });
    if (result < 0) throw refused(one, result);
  };
  try {
    if (linked) update();
  } catch (error) {
    closeFd(fd);
    throw error;
  }
  return {
    name: one.name,
    struct: one.struct,
    registered: nameIn(one),
    fd,
    register() {
      if (!linked) {
        // Without links this is what registers it.
        update();
        return withoutLink(fd);
      }
      const link = bpf(BPF.linkCreate, "linkCreate", { prog_fd: fd, target_fd: 0, attach_type: ATTACH_TYPE });
      if (link < 0) throw refused(one, link);
      return linkHandle(link);
    },
  };
}

/** What the map holds: descriptors of programs where the kernel's struct has functions, and the data beside them. */
function content(
  one: StructOps,
  programs: ReadonlyMap<string, number>,
  { own, bytes, at }: { readonly own: RunningStruct; readonly bytes: number; readonly at: number },
): Uint8Array {
  const made = new Uint8Array(bytes);
  const view = new DataView(made.buffer);
  for (const [member, program] of Object.entries(one.programs)) {
    const fd = programs.get(program);
    if (fd === undefined)
      throw new RuntimeError("bad-argument", `${one.name} needs ${program}, which is not among the programs to load`);
    view.setBigUint64(at + position(own, one.struct, member).offset, BigInt(fd), true);
  }
  for (const [member, data] of Object.entries(one.values)) {
    // A kernel that does not have the member misses nothing by zeros.
    if (data.every((byte) => byte === 0)) continue;
    const { offset, bytes: room } = position(own, one.struct, member);
    if (data.length !== room)
      throw new RuntimeError(
        "bad-object",
        `${one.name}: ${member} has ${data.length} bytes, and ${room} in this kernel`,
      );
    made.set(data, at + offset);
  }
  return made;
}

/** Before Linux 6.4 a struct is registered as long as its map has its element. */
function withoutLink(fd: number): LinkHandle {
  let registered = true;
  const end = (): void => {
    if (registered) bpf(BPF.mapDelete, "element", { map_fd: fd, key: new Uint8Array(4) });
    registered = false;
  };
  const cannot = (): never => {
    throw new RuntimeError(
      "kernel-lacks",
      "what is registered stays so only with this process: links of struct_ops came with Linux 6.4",
      {
        help: "use tsbpf run",
      },
    );
  };
  return {
    fd,
    id: 0,
    info: () => ({ type: STRUCT_OPS_LINK, id: 0, programId: 0, mapId: registered ? 1 : 0 }),
    cgroup: () => undefined,
    place: () => undefined,
    pin: cannot,
    replace: cannot,
    detach: end,
    close: end,
  };
}

const NAMES = { exists: -17, busy: -16, invalid: -22 } as const;
function refused(one: StructOps, errno: number): RuntimeError {
  const name = nameIn(one);
  const what = `registering ${one.name}${name === undefined ? "" : ` as ${name}`}`;
  if (errno === NAMES.exists)
    return failed(
      "attach",
      what,
      errno,
      `there is a congestion control of that name: give it another, or end the other (tsbpf list)`,
    );
  if (errno === NAMES.invalid)
    return failed(
      "attach",
      what,
      errno,
      "the kernel wants ssthresh, undo_cwnd, and cong_avoid or cong_control; and a name of letters, digits, _ and .",
    );
  return failed(errno === -1 ? "not-permitted" : "attach", what, errno);
}

/** The name that it is registered under, where it has one. */
function nameIn({ values }: StructOps): string | undefined {
  const bytes = values["name"];
  return bytes && Buffer.from(bytes).toString("latin1").replace(/\0.*$/s, "");
}
