/** The machine on a hand-made object: context, helpers, global variables, faults with their lines. Needs no compiler. */
import { HELPERS } from "../../compiler/bpf/helpers.ts";
import type { RawInsn } from "../../compiler/bpf/raw.ts";
import { SOCK_OPS_FIELDS } from "../../compiler/bpf/kinds/sock-ops.ts";
import type { BpfModule, BpfProgram, Relocation } from "../../compiler/module.ts";
import type { EngineName } from "../../runtime/vm/bare.ts";
import type { EventServices, MachineServices } from "../../runtime/vm/helpers.ts";
import { createMachine, drawFault, type Machine, type Outcome } from "../../runtime/vm/machine.ts";
import * as asm from "./assemble.ts";

const { alu64, call, exit, load, mov, reg, store } = asm;
const u32 = { kind: "int", bits: 32, signed: false } as const;
const u64 = { kind: "int", bits: 64, signed: false } as const;
const lddw = asm.constant;
const field = SOCK_OPS_FIELDS;

function program(name: string, insns: readonly RawInsn[], relocations: readonly Relocation[] = []): BpfProgram {
  const lines = insns.map((_, slot) => ({ slot, span: { file: 0, start: 2 * slot, end: 2 * slot + 1 } }));
  return {
    name,
    section: "sockops",
    type: "sock_ops",
    attachType: 3,
    insns,
    relocations,
    lines,
    functions: [{ name, slot: 0 }],
    stack: 16,
  };
}

const map = (slot: number, name: string): Relocation => ({ slot, kind: "map", map: name });
const PROGRAMS: readonly BpfProgram[] = [
  program("congestion", [load(4, 0, 1, field.snd_cwnd.offset), exit]),
  program("reply", [store(4, 1, field.args.offset, 42), mov(0, 1), exit]),
  program("writesField", [store(4, 1, field.snd_cwnd.offset, 1), mov(0, 1), exit]),
  program("readsHalf", [load(2, 0, 1, field.snd_cwnd.offset), exit]),
  program("readsMptcp", [load(4, 0, 1, field.mptcp_loc_token.offset), exit]),
  program("readsPacket", [load(8, 2, 1, field.skb_data.offset), load(1, 0, 2, 13), exit]),
  program("readsPast", [load(8, 2, 1, field.skb_data.offset), load(8, 0, 2, 16), exit]),
  program("writesPacket", [load(8, 2, 1, field.skb_data.offset), store(1, 2, 0, 1), mov(0, 0), exit]),
  program(
    "param",
    [...lddw(1, 0n), load(4, 0, 1, 0), exit],
    [{ slot: 0, kind: "global", section: ".rodata", offset: 4 }],
  ),
  program(
    "writesParam",
    [...lddw(1, 0n), store(4, 1, 0, 1), mov(0, 0), exit],
    [{ slot: 0, kind: "global", section: ".rodata", offset: 4 }],
  ),
  program(
    "counts",
    [...lddw(1, 0n), load(4, 0, 1, 0), alu64("add", 0, 1), store(4, 1, 0, reg(0)), exit],
    [{ slot: 0, kind: "global", section: ".bss", offset: 0 }],
  ),
  // Sets the callbacks, then reads them back from the context.
  program("callbacks", [
    mov(6, reg(1)),
    mov(2, 0x44),
    call(HELPERS.sock_ops_cb_flags_set.id),
    load(4, 0, 6, field.bpf_sock_ops_cb_flags.offset),
    exit,
  ]),
  // Stores 7 under key 5, then looks it up.
  program(
    "mapped",
    [
      mov(6, 5),
      store(4, 10, -4, reg(6)),
      store(8, 10, -16, 7),
      ...lddw(1, 0n),
      mov(2, reg(10)),
      alu64("add", 2, -4),
      mov(3, reg(10)),
      alu64("add", 3, -16),
      mov(4, 0),
      call(HELPERS.map_update_elem.id),
      ...lddw(1, 0n),
      mov(2, reg(10)),
      alu64("add", 2, -4),
      call(HELPERS.map_lookup_elem.id),
      asm.branch64("jeq", 0, 0, 1),
      load(8, 0, 0, 0),
      exit,
    ],
    [map(3, "table"), map(11, "table")],
  ),
  program("badKey", [...lddw(1, 0n), mov(2, 0), call(HELPERS.map_lookup_elem.id), exit], [map(0, "table")]),
  program("noMap", [mov(2, reg(10)), alu64("add", 2, -4), call(HELPERS.map_lookup_elem.id), exit]),
  program("scratched", [mov(1, 5), call(HELPERS.get_prandom_u32.id), mov(0, reg(1)), exit]),
  program("clock", [call(HELPERS.ktime_get_ns.id), exit]),
  // trace_printk("n=%d\0") with -3
  program("prints", [
    ...lddw(1, 0x0064253d6en),
    store(8, 10, -8, reg(1)),
    mov(1, reg(10)),
    alu64("add", 1, -8),
    mov(2, 5),
    mov(3, -3),
    call(HELPERS.trace_printk.id),
    mov(0, 0),
    exit,
  ]),
];

const object: BpfModule = {
  license: "GPL",
  target: "mainline",
  needs: [],
  maps: [{ name: "table", type: "hash", key: u32, value: u64, maxEntries: 1, flags: 0, pinned: false, initial: [] }],
  globals: [
    { name: "one", section: ".rodata", offset: 0, layout: u32, init: Uint8Array.of(1, 0, 0, 0), param: false },
    { name: "two", section: ".rodata", offset: 4, layout: u32, init: Uint8Array.of(2, 0, 0, 0), param: true },
    { name: "count", section: ".bss", offset: 0, layout: u32, init: Uint8Array.of(0, 0, 0, 0), param: false },
  ],
  programs: PROGRAMS,
  sources: [
    {
      path: "hand-made.ts",
      text: Array.from({ length: 40 }, (_, line) => String.fromCharCode(97 + (line % 26))).join("\n"),
    },
  ],
};

export function checkMachine(): string[] {
  return (["interpreter", "translator"] as const).flatMap((engine) => check(engine));
}

function check(engine: EngineName): string[] {
  const wrong: string[] = [];
  const printed: string[] = [];
  const same = (what: string, got: unknown, expected: unknown): void => {
    if (JSON.stringify(got) !== JSON.stringify(expected))
      wrong.push(`${engine}: ${what}: ${JSON.stringify(got)} instead of ${JSON.stringify(expected)}`);
  };
  let callbacks = 0;
  let failing: string | undefined;
  const services: MachineServices = {
    cpus: 2,
    cpu: () => 0,
    now: () => 123n,
    random: () => 1,
    print: (line) => printed.push(line),
    fail: (helper) => (helper === failing ? -12n : undefined),
  };
  const machine: Machine = createMachine(object, { services, engine, stepLimit: 1000 });
  const event: EventServices = {
    setCallbacks(flags) {
      callbacks = flags;
      return 0;
    },
  };
  const run = (name: string): Outcome =>
    machine.run(name, {
      services: event,
      packet: Uint8Array.from({ length: 20 }, (_, index) => index),
      read: (which) => (which === "snd_cwnd" ? 10 : which === "bpf_sock_ops_cb_flags" ? callbacks : 0),
    });
  const returned = (name: string): number | string => {
    const outcome = run(name);
    return outcome.ok ? outcome.returned : outcome.fault.kind;
  };

  same("a field", returned("congestion"), 10);
  same("the reply", run("reply").args[0], 42);
  same("a read-only field", returned("writesField"), "context");
  same("half a field", returned("readsHalf"), "context");
  same("a field of another kernel", returned("readsMptcp"), "context");
  same("the packet", returned("readsPacket"), 13);
  same("past the packet", returned("readsPast"), "memory");
  same("a write to the packet", returned("writesPacket"), "read-only");
  same("a parameter", returned("param"), 2);
  same("a write to a parameter", returned("writesParam"), "read-only");
  same("a global keeps its value", [returned("counts"), returned("counts")], [1, 2]);
  same("the context after a helper changed the socket", returned("callbacks"), 0x44);
  same("a map", [returned("mapped"), returned("mapped")], [7, 7]);
  failing = "map_update_elem";
  machine.maps.get("table")!.remove(Uint8Array.of(5, 0, 0, 0));
  same("a helper that fails", returned("mapped"), 0);
  failing = undefined;
  same("a key that is no pointer", returned("badKey"), "memory");
  same("a map that is none", returned("noMap"), "helper");
  same("r1 after a call", returned("scratched") === 5, false);
  same("the clock", returned("clock"), 123);
  run("prints");
  same("a printed line", printed, ["n=-3"]);
  const bad = run("readsPast");
  same("a fault's line", bad.ok ? "" : drawFault(bad.fault).split("\n").at(-1), "  2 │ b");
  same("steps", run("congestion").steps, 2);
  same(
    "counts",
    [...machine.hits("param")].map((count) => Math.sign(count)),
    [1, 0, 1, 1],
  );
  return wrong;
}
