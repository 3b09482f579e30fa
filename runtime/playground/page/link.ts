/** The line that is pointed at, in whichever view: all others show what belongs to it. */

export interface Link {
  /** Points at a line of the source, or at none. `from` is not told. */
  point(line: number | undefined, from: object): void;
  follow(who: object, listener: (line: number | undefined) => void): void;
}

export function createLink(): Link {
  const followers: { readonly who: object; readonly listener: (line: number | undefined) => void }[] = [];
  let now: number | undefined;
  return {
    point(line, from) {
      if (line === now) return;
      now = line;
      for (const { who, listener } of followers) if (who !== from) listener(line);
    },
    follow: (who, listener) => void followers.push({ who, listener }),
  };
}
