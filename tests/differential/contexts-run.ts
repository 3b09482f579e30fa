/**
 * Context rules against the running kernel: every offset, size and direction, for every program type that the tables know.
 *
 *   npm run test:differential -- contexts
 */
import { kernels } from "../../compiler/bpf/kernels.ts";
import { attachTypesOf, kindOf, PROGRAM_TYPE_NAMES } from "../../compiler/bpf/kinds/index.ts";
import type { RawInsn } from "../../compiler/bpf/raw.ts";
import { verify, type Program } from "../../compiler/verifier/verify.ts";
import { kernelUnavailable, runningRelease } from "./kernel.ts";
import { askKernel } from "./verifier.ts";

const FURTHEST = 300;
const SIZES = [0x10, 0x08, 0x00, 0x18] as const;
const insn = (code: number, dst: number, src: number, off: number, imm: number): RawInsn => ({
  code,
  dst,
  src,
  off,
  imm,
});

/** Reads, sign-extending reads and writes of every size at one offset. */
function accesses(off: number): RawInsn[] {
  return SIZES.flatMap((size) => [
    insn(0x61 | size, 2, 1, off, 0),
    ...(size === 0x18 ? [] : [insn(0x81 | size, 2, 1, off, 0)]),
    insn(0x62 | size, 1, 0, off, 0),
  ]);
}

/** Exit code 0 if both agree on every access. */
export function contextsMain(): number {
  const reason = kernelUnavailable();
  if (reason !== undefined) {
    console.log(`skipped: ${reason}`);
    return 3;
  }
  let tried = 0;
  let different = 0;
  for (const type of PROGRAM_TYPE_NAMES.filter((name) => kindOf(name)?.layout !== undefined)) {
    for (const attach of attachTypesOf(type)) {
      // The kernel compares a tracepoint's offset without its sign and lets negative ones pass; we do not.
      for (let off = type === "tracepoint" ? 0 : -8; off < FURTHEST; off++) {
        for (const access of accesses(off)) {
          const insns = [access, insn(0xb7, 0, 0, 0, 1), insn(0x95, 0, 0, 0, 0)];
          const program: Program = {
            insns,
            type,
            attach,
            flags: 0,
            maps: new Map(),
            typed: false,
            gpl: true,
            release: runningRelease(),
            features: kernels.mainline.features,
          };
          const ours = verify(program);
          const kernel = askKernel(program);
          tried++;
          if (kernel.accepted === (ours.verdict === "accept")) continue;
          different++;
          const what = ours.verdict === "reject" ? ours.message : ours.verdict;
          console.log(
            `${type} (${attach}) code 0x${access.code.toString(16)} off ${off}: ours ${what}, kernel ${kernel.message || "accepts"}`,
          );
        }
      }
    }
  }
  console.log(`${tried} accesses, ${different} different`);
  return different === 0 ? 0 : 1;
}
