/** The text that `tsbpf disasm` and `--emit asm` print. */
import { expect, test } from "vitest";
import { ATOMIC, CLASS, LDDW, MODE, PSEUDO, SIZE } from "../../compiler/bpf/opcodes.ts";
import type { BpfModule } from "../../compiler/module.ts";
import { listing } from "../../compiler/object/listing.ts";
import { exit, insn, least, moveImmediate, sample, withFunctions } from "./modules.ts";

test("maps, variables, source lines, labels, helpers, names", () => {
  const one: BpfModule = { ...sample, programs: sample.programs.slice(0, 1) };
  expect(listing(one)).toBe(`map counts: hash, key u32, value Address (8 bytes), 16 entries
map table: array, key u32, value Addresses (36 bytes), 2 entries, pinned, 1 set at the start
map recent: lru_hash, key Wire (8 bytes), value Wire (8 bytes), 8 entries
map perCpu: percpu_array, key u32, value u64, 1 entry
map routes: lpm_trie, key Prefix (8 bytes), value u8, 8 entries, flags 0x1
map storage: sk_storage, key i32, value u64, 0 entries, flags 0x1
map events: ringbuf, value Wire (8 bytes), 4096 bytes

param scale: u16 at .rodata+0, 2 bytes = 9
param limit: u32 at .rodata+4, 4 bytes = 67305985
global größe$1: cstring(8) at .rodata+8, 8 bytes = "bbr"
global gr__e_1: u8[4] at .data+0, 4 bytes = 01 02 03 04
global total: u64 at .bss+0, 8 bytes = 0

program sample: section sockops, type sock_ops, 16 instructions, 8 bytes of stack
; programs/sample.ts:4  const seen = counts.get(ctx.op);
    0: r1 = *(u32 *)(r1 + 0x0)
    1: *(u32 *)(r10 - 0x4) = r1
    2: r2 = r10
    3: r2 += -0x4
    4: r1 = map counts
    6: call bpf_map_lookup_elem
; programs/sample.ts:5  if (!seen) return 1;
    7: if r0 == 0x0 goto L14
; programs/helper.ts:2  return x.n;
    8: r6 = *(u32 *)(r0 + 0x0)
    9: r1 = address of limit
   11: r0 = *(u32 *)(r1 + 0x0)
; programs/sample.ts:5  if (!seen) return 1;
   12: r1 = address of gr__e_1+2
L14:
   14: r0 = 0x1
   15: exit
`);
});

test("functions and calls by name", () => {
  const text = listing(withFunctions);
  expect(text).toContain("    1: call inner\n");
  expect(text).toContain("\nfunction last:\n");
  expect(text).toContain("    6: call last\n");
});

test("what LLVM's own reading would get wrong or not know", () => {
  const atomic = CLASS.stx | SIZE.w | MODE.atomic;
  const [program] = least.programs;
  const insns = [
    insn(atomic, 1, 2, 0, ATOMIC.add | ATOMIC.fetch),
    insn(LDDW, 1, PSEUDO.btfId, 0, 7),
    insn(0),
    insn(0x85, 0, 0, 0, 999),
    insn(0x05, 0, 0, 100),
    insn(0x8f),
    moveImmediate(0, 0),
    exit,
  ];
  expect(listing({ ...least, programs: [{ ...program!, insns }] }))
    .toBe(`program nothing: section sockops, type sock_ops, 8 instructions, 0 bytes of stack
    0: w2 = atomic_fetch_add((u32 *)(r1 + 0x0), w2)
    1: ld_pseudo r1, 0x3, 0x7
    3: call 0x3e7
    4: goto 100
    5: <unknown>
    6: r0 = 0x0
    7: exit
`);
});
