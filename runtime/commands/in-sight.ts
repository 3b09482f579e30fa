/** The kernel's objects as far as the caller may see them: all, or, without CAP_SYS_ADMIN, those that its pins hold. */
import { RuntimeError } from "../kernel/errors.ts";
import { closeFd } from "../kernel/fd.ts";
import {
  allLinks,
  allMaps,
  allPrograms,
  linkInfo,
  mapInfo,
  programInfo,
  type LinkInfo,
  type MapInfo,
  type ProgramInfo,
} from "../kernel/info.ts";
import { pinnedFds, pinnedObjects } from "../kernel/pins.ts";

export interface InSight {
  /** False where only what is pinned can be seen. */
  readonly complete: boolean;
  programs(): readonly ProgramInfo[];
  maps(): readonly MapInfo[];
  links(): readonly LinkInfo[];
}

/** What to say where not all can be seen. */
export const onlyPinned = (pins: string): string =>
  `only what is pinned under ${pins} is shown: seeing the rest takes CAP_SYS_ADMIN`;

export function inSight(pins: string): InSight {
  const complete = maySeeAll();
  const pinned = <T>(kind: "programs" | "maps" | "links", read: (fd: number) => T): T[] =>
    pinnedObjects(pins).flatMap((name) =>
      pinnedFds(name, kind, pins).map(([, fd]) => {
        try {
          return read(fd);
        } finally {
          closeFd(fd);
        }
      }),
    );
  return {
    complete,
    programs: () => (complete ? [...allPrograms()] : pinned("programs", programInfo)),
    maps: () => (complete ? [...allMaps()] : pinned("maps", mapInfo)),
    links: () => (complete ? [...allLinks()] : pinned("links", linkInfo)),
  };
}

function maySeeAll(): boolean {
  try {
    allLinks().next();
    return true;
  } catch (error) {
    if (error instanceof RuntimeError && error.key === "not-permitted") return false;
    throw error;
  }
}
