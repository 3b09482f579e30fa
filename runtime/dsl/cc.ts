/** `tsbpf/cc` in Node. The declarations are in cc.d.ts. */
import { ACK_FLAGS, ACK_PENDING, CA_EVENTS, CA_STATES, ECN_FLAGS } from "../../compiler/bpf/congestion-names.ts";
import { onlyInBytecode } from "./map-classes.ts";
import type { ProgramDefinition } from "./tcp.ts";

export const CaState = CA_STATES;
export const CaEvent = CA_EVENTS;
export const AckFlag = ACK_FLAGS;
export const EcnFlag = ECN_FLAGS;
export const AckPending = ACK_PENDING;
export const slowStart = (): never => onlyInBytecode("slowStart()");
export const congAvoidAi = (): never => onlyInBytecode("congAvoidAi()");
export const renoSsthresh = (): never => onlyInBytecode("renoSsthresh()");
export const renoCongAvoid = (): never => onlyInBytecode("renoCongAvoid()");
export const renoUndoCwnd = (): never => onlyInBytecode("renoUndoCwnd()");
export const sendAck = (): never => onlyInBytecode("sendAck()");
export const jiffies = (): never => onlyInBytecode("jiffies()");
export const congestionControl = (definition: unknown): ProgramDefinition<"congestionControl"> => ({
  kind: "congestionControl",
  definition,
});
