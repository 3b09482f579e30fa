/** Links: a program on a cgroup-v2 directory or a network namespace, held by a descriptor or by a pin, replaced atomically, never left behind. */
import { closeSync, realpathSync } from "node:fs";
import { BPF } from "./abi.ts";
import {
  attachTypeAt,
  HIDDEN,
  linkPlace,
  openPlace,
  placeIn,
  placeText,
  pointOf,
  type Place,
  type ToAttach,
} from "./attach-points.ts";
import { bpf } from "./bpf.ts";
import { failed, RuntimeError } from "./errors.ts";
import { closeFd } from "./fd.ts";
import { isKind, linkInfo, type LinkInfo } from "./info.ts";
import { openPinParent } from "./pin-folder.ts";
import { consequence, holdersOf, neighbours, whose } from "./neighbours.ts";

/** BPF_F_REPLACE. */
const REPLACE = 4;

export interface LinkHandle {
  readonly fd: number;
  readonly id: number;
  info(): LinkInfo;
  /** The cgroup's directory that the program is attached to, while it exists and can be seen from here. */
  cgroup(): string | undefined;
  /** Where it is attached, for people: that directory, or "netns NAME"; HIDDEN where there is one out of sight. */
  place(): string | undefined;
  /** Keeps the attachment after this process, under a path on a bpffs. */
  pin(path: string): void;
  /**
   * Puts another program (of a struct: another map) in place of the present one, without a moment in which none is attached. `expectedFd`: only if the
   * present one is this.
   */
  replace(programFd: number, expectedFd?: number): void;
  /** Ends the attachment, also for other holders of the link; the pin, if given, goes too. */
  detach(): void;
  /** Lets go of the link: without a pin or another holder the attachment ends. */
  close(): void;
}

export function attachTo(programFd: number, program: ToAttach, place: Place): LinkHandle {
  const attachType = attachTypeAt(program, place);
  const target = openPlace(place);
  try {
    const fd = bpf(BPF.linkCreate, "linkCreate", { prog_fd: programFd, target_fd: target, attach_type: attachType });
    if (fd < 0) throw attachError(fd, program.name, place, attachType);
    return linkHandle(fd);
  } finally {
    closeSync(target);
  }
}

function attachError(errno: number, name: string, place: Place, attachType: number): RuntimeError {
  const what = `attaching ${name} to ${placeText(place)}`;
  if (errno === -1 && typeof place === "string") {
    const directory = place;
    // Without rights nobody could have asked who is there.
    const here = realpathSync(directory);
    const blocking = neighbours(directory, new Set(), attachType).find(
      ({ sharing, cgroup }) => sharing === "alone" || (sharing === "override" && cgroup === here),
    );
    if (blocking) {
      const holders = holdersOf(new Set([blocking.programId]));
      return new RuntimeError("attach", `${what}: ${whose(blocking, holders)}: ${consequence(blocking, directory)}`, {
        errno,
        help: `bpftool cgroup detach ${blocking.cgroup} ${blocking.hook.bpftool} id ${blocking.programId}; or use a cgroup that is not at or below it`,
      });
    }
  }
  if (errno === -1) return failed("not-permitted", what, errno, "run as root, or with CAP_BPF and CAP_NET_ADMIN");
  if (errno === -22) return failed("attach", what, errno, pointOf(place).invalid);
  if (errno === -7) return failed("attach", what, errno, "64 programs are attached there already");
  return failed("attach", what, errno);
}

export function linkHandle(fd: number): LinkHandle {
  let pinned: string | undefined;
  let open = true;
  const id = linkInfo(fd).id;
  return {
    fd,
    id,
    info: () => linkInfo(fd),
    cgroup() {
      const link = linkInfo(fd);
      const place = placeIn(link)?.kind === "cgroup" ? linkPlace(link) : undefined;
      return place === HIDDEN ? undefined : place;
    },
    place: () => linkPlace(linkInfo(fd)),
    pin(path) {
      const { folder, name } = openPinParent(path);
      try {
        folder.pin(name, fd);
      } finally {
        folder.close();
      }
      pinned = path;
    },
    replace(programFd, expectedFd) {
      const only = expectedFd === undefined ? {} : { flags: REPLACE, old_prog_fd: expectedFd };
      const result = bpf(BPF.linkUpdate, "linkUpdate", { link_fd: fd, new_prog_fd: programFd, ...only });
      if (result === -67)
        throw new RuntimeError(
          linkInfo(fd).netnsInode === undefined ? "no-cgroup" : "no-netns",
          "what the link was attached to is gone, and the attachment with it",
        );
      if (result === -1 && expectedFd !== undefined)
        throw new RuntimeError("attach", "the link holds something else by now, or this process may not change it", {
          help: "look at what it holds (tsbpf list), and try again as root",
        });
      if (result < 0) throw failed("attach", "replacing the program of a link", result);
    },
    detach() {
      const result = bpf(BPF.linkDetach, "linkDetach", { link_fd: fd });
      // EINVAL and EOPNOTSUPP: the cgroup is gone, and the attachment with it.
      if (result < 0 && result !== -22 && result !== -95) throw failed("attach", "detaching a link", result);
      if (pinned !== undefined) removePin(pinned);
      pinned = undefined;
    },
    close() {
      if (open) closeFd(fd);
      open = false;
    },
  };
}

/** Opens a pinned link, of this process or another. */
export function openPinnedLink(path: string): LinkHandle {
  const { folder, name } = openPinParent(path);
  try {
    const fd = folder.open(name);
    if (isKind(fd, "links")) return linkHandle(fd);
    closeFd(fd);
    throw new RuntimeError("bad-argument", `${path} is not a link`);
  } finally {
    folder.close();
  }
}

function removePin(path: string): void {
  const { folder, name } = openPinParent(path);
  try {
    folder.remove(name);
  } finally {
    folder.close();
  }
}
