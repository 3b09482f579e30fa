/** From an exported program to the BPF programs that it is. */
import { COMPILED, type Hook } from "../bpf/kinds/index.ts";
import { SOCK_OPS_FIELDS } from "../bpf/kinds/sock-ops.ts";
import type { IrProgram } from "../ir/ir.ts";
import { congestionControlParts } from "./congestion-control.ts";
import type { ProgramEntity } from "./entities.ts";
import { need, spanOf, type ModuleState } from "./module-state.ts";
import { pathManagerProgram } from "./path-manager.ts";
import { hookPrograms } from "./hook-programs.ts";
import { finishProgram, startProgram, type EventProgram } from "./program-builder.ts";
import { PROGRAM_KINDS, type ProgramKind } from "./program-kinds.ts";
import { schedulerParts } from "./scheduler.ts";
import { sockOpsProgram } from "./sock-ops-program.ts";
import { structOpsPrograms } from "./struct-ops-programs.ts";
import { tcpOptionProgram } from "./tcp-option.ts";

type Lower = (state: ModuleState, entity: ProgramEntity) => readonly IrProgram[];

/** One program for all events of a cgroup's connections. */
const sockOps =
  (lower: (program: EventProgram) => void): Lower =>
  (state, entity) => {
    const span = spanOf(entity.file, entity.node);
    const started = startProgram(state, entity, "sock_ops", entity.name, span);
    const op = started.b.load("w32", 4, started.ctx, SOCK_OPS_FIELDS.op.offset, span, "op");
    const program: EventProgram = { ...started, op };
    lower(program);
    const hook: Hook = COMPILED.sock_ops.hooks.sockOps;
    return [finishProgram(program, "sock_ops", hook)];
  };

const LOWER = {
  pathManager: sockOps(pathManagerProgram),
  tcpOption: sockOps(tcpOptionProgram),
  sockOps: sockOps(sockOpsProgram),
  scheduler: structOpsPrograms("mptcp_sched_ops", schedulerParts),
  congestionControl: structOpsPrograms("tcp_congestion_ops", congestionControlParts),
  connectHook: hookPrograms("cgroup_sock_addr"),
  sockOptHook: hookPrograms("cgroup_sockopt"),
} as const satisfies Record<ProgramKind, Lower>;

/** Lowers what an exported constant says; errors are in the state. */
export function lowerProgram(state: ModuleState, entity: ProgramEntity): readonly IrProgram[] {
  need(state, PROGRAM_KINDS[entity.programKind].needs, spanOf(entity.file, entity.node), entity.programKind);
  return LOWER[entity.programKind](state, entity);
}
