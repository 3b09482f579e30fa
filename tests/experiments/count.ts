/** Lines of code, and what of them is care that a compiler could take: the counting behind tables 2 and 4. */

/** Takes comments out; what stands in quotes stays. Lines keep their numbers. */
export function withoutComments(text: string): string {
  return text.replaceAll(
    /("(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`(?:[^`\\]|\\.)*`)|\/\/[^\n]*|\/\*[\s\S]*?\*\//g,
    (all: string, quoted?: string) => quoted ?? all.replaceAll(/[^\n]/g, ""),
  );
}

/** One branch of `#ifdef NAME … #else … #endif`, for one name; other conditions stay. */
export function branchOf(text: string, name: string, defined: boolean): string {
  const lines: string[] = [];
  // For each condition that is open: whether its lines count, undefined for those of others.
  const open: (boolean | undefined)[] = [];
  for (const line of text.split("\n")) {
    const begin = /^\s*#\s*if(n?)def\s+(\w+)/.exec(line);
    if (begin) {
      const ours = begin[2] === name;
      open.push(ours ? defined !== (begin[1] === "n") : undefined);
      if (ours) continue;
    } else if (/^\s*#\s*if\b/.test(line)) open.push(undefined);
    else if (/^\s*#\s*(else|endif)\b/.test(line)) {
      const state = open.pop();
      if (line.includes("else")) open.push(state === undefined ? undefined : !state);
      if (state !== undefined) continue;
    }
    if (!open.includes(false)) lines.push(line);
  }
  return lines.join("\n");
}

/** Lines that are neither blank nor comment. */
export const linesOf = (text: string): number =>
  withoutComments(text)
    .split("\n")
    .filter((line) => line.trim() !== "").length;

const matches = (text: string, pattern: RegExp): number => [...text.matchAll(pattern)].length;

/** How often each care is taken by hand. */
export interface Care {
  /** A pointer, or a value that may not be there, is asked whether it is. */
  readonly presence: number;
  /** Sizes of buffers and options, written out or compared; loops bounded by a pragma. */
  readonly bounds: number;
  /** Bytes swapped, and options put together or taken apart by shifts. */
  readonly order: number;
}
export const CARES = ["presence", "bounds", "order"] as const satisfies readonly (keyof Care)[];

export function careInC(source: string): Care {
  const text = withoutComments(source);
  const pointers = new Set([...text.matchAll(/[\w)]\s+(?:\w+(?:\s*=[^,;]*)?,\s*)*\*(\w+)/g)].map((one) => one[1]!));
  const asked = [...pointers].map((name) =>
    matches(text, new RegExp(`(?:!|if \\(|&& )${name}\\b(?=\\)| \\|\\|| &&)`, "g")),
  );
  return {
    presence: asked.reduce((sum, one) => sum + one, 0) + matches(text, /\b!?skops->sk\)/g),
    bounds: matches(text, /\bsizeof\(/g) + matches(text, /#pragma unroll/g),
    order: matches(text, /\bbpf_[nh]to[nh][sl]\(/g) + matches(text, /(?:<<|>>) (?:8|16|24)\b/g),
  };
}

export function careInTypeScript(source: string): Care {
  const text = withoutComments(source);
  const maybe = [...text.matchAll(/const (\w+) = [\w.]+\.(?:get|ref|getOrCreate)\(/g)].map((one) => one[1]!);
  return {
    presence: [...new Set(maybe)].reduce((sum, name) => sum + matches(text, new RegExp(`if \\(!?${name}\\)`, "g")), 0),
    bounds: 0,
    order: matches(text, /\b[nh]to[nh][sl]\(/g),
  };
}
