import { describe, expect, it } from "vitest";
import { branchOf, careInC, careInTypeScript, linesOf } from "./count.ts";

const C = `/* A comment
   of two lines */
#include "tcp.h" // code

static int f(struct sock_ops *skops)
{
	char *text = "/* no comment */";
	__u32 *state, now;

	state = bpf_map_lookup_elem(&map, &key);
	if (!state || !state->used)
		return 0;
	if (bpf_load_hdr_opt(skops, &opt, sizeof(opt), 0) == sizeof(opt))
		now = bpf_ntohs(opt.value) | skops->args[2] >> 16;
	return !now;
}
`;

describe("counting", () => {
  it("counts lines that are neither blank nor comment", () => {
    expect(linesOf(C)).toBe(12);
    expect(linesOf("const a = `//`; // that\n\n/* x */ const b = 1;\n  // only\n")).toBe(2);
  });

  it("takes one branch of a condition", () => {
    const text = "a\n#ifdef P\nb\n#if X\nc\n#else\nd\n#endif\n#else\ne\n#endif\n#ifndef P\nf\n#endif\ng";
    expect(branchOf(text, "P", true).split("\n")).toEqual(["a", "b", "#if X", "c", "#else", "d", "#endif", "g"]);
    expect(branchOf(text, "P", false).split("\n")).toEqual(["a", "e", "f", "g"]);
  });

  it("counts what is checked by hand in C", () => {
    expect(careInC(C)).toEqual({ presence: 1, bounds: 2, order: 2 });
  });

  it("counts what TypeScript's checker has asked for", () => {
    const text = "const slot = map.get(1);\nif (!slot) return;\noption.id = htons(slot.id); // if (!slot)\n";
    expect(careInTypeScript(text)).toEqual({ presence: 1, bounds: 0, order: 1 });
  });
});
