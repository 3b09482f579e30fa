/** The kernel's objects as far as the caller may see them: all, or, without CAP_SYS_ADMIN, those that its pins hold. */
import { lacking } from "./capabilities.ts";
import { RuntimeError } from "./errors.ts";
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
} from "./info.ts";
import { eachPin, pinnedObjects } from "./pins.ts";

/** A pinned object, as far as it can be read. */
export interface PinnedInfo {
  readonly name: string;
  readonly links: readonly LinkInfo[];
  readonly programs: readonly ProgramInfo[];
  readonly maps: readonly MapInfo[];
  /** What is wrong with it first. */
  readonly problem?: RuntimeError;
}

/** One pinned object; one that is broken has a problem. */
export function readPinnedObject(name: string, pins: string): PinnedInfo {
  const [links, programs, maps]: [LinkInfo[], ProgramInfo[], MapInfo[]] = [[], [], []];
  const take = {
    links: (fd: number) => links.push(linkInfo(fd)),
    programs: (fd: number) => programs.push(programInfo(fd)),
    maps: (fd: number) => maps.push(mapInfo(fd)),
  };
  const problem = eachPin(name, pins, (kind, _name, fd) => void take[kind](fd));
  return { name, links, programs, maps, ...(problem ? { problem } : {}) };
}

/** All pinned objects. Throws where none of them may be believed, or looked at. */
export const readPinned = (pins: string): readonly PinnedInfo[] =>
  pinnedObjects(pins).map((name) => readPinnedObject(name, pins));

export interface InSight {
  /** False where only what is pinned can be seen, and the numbers of other programs (CAP_NET_ADMIN). */
  readonly complete: boolean;
  readonly pinned: readonly PinnedInfo[];
  programs(): readonly ProgramInfo[];
  maps(): readonly MapInfo[];
  links(): readonly LinkInfo[];
}

/** What to say where not all can be seen. */
export const onlyPinned = (pins: string): string =>
  lacking(["CAP_NET_ADMIN"]).length > 0
    ? `only what is pinned under ${pins} is shown: seeing the rest takes CAP_SYS_ADMIN`
    : `only what is pinned under ${pins} is shown, and numbers of other programs: seeing the rest takes CAP_SYS_ADMIN`;

export function inSight(pins: string): InSight {
  const complete = maySeeAll();
  const pinned = readPinned(pins);
  const again = (): readonly PinnedInfo[] => pinned.map(({ name }) => readPinnedObject(name, pins));
  return {
    complete,
    pinned,
    // Read anew: counts grow.
    programs: () => (complete ? [...allPrograms()] : again().flatMap((one) => one.programs)),
    maps: () => (complete ? [...allMaps()] : pinned.flatMap((one) => one.maps)),
    links: () => (complete ? [...allLinks()] : again().flatMap((one) => one.links)),
  };
}

function maySeeAll(): boolean {
  const links = allLinks();
  try {
    links.next();
    return true;
  } catch (error) {
    if (error instanceof RuntimeError && error.key === "not-permitted") return false;
    throw error;
  } finally {
    links.return(undefined);
  }
}
