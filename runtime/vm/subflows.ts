/** What the kernel knows of a subflow from its fields (net/mptcp/protocol.c). */
import { TCP_STATES } from "../../compiler/bpf/tcp-states.ts";
import type { KernelObject } from "./kernel-objects.ts";

type ObjectAt = (address: bigint) => KernelObject | undefined;

const SENDING: ReadonlySet<bigint> = new Set([TCP_STATES.established, TCP_STATES.closeWait].map(BigInt));

/** mptcp_subflow_active: it gets something across, and may send. */
export function isActive(subflow: KernelObject, objectAt: ObjectAt): boolean {
  const tcp = objectAt(subflow.get("tcp_sock"));
  return subflow.get("stale") === 0n && tcp !== undefined && SENDING.has(tcp.get("skc_state"));
}
/** sk_stream_memory_free: the send buffer has room. */
export function memoryFree(subflow: KernelObject, objectAt: ObjectAt): boolean {
  const tcp = objectAt(subflow.get("tcp_sock"));
  return tcp !== undefined && tcp.get("sk_wmem_queued") < tcp.get("sk_sndbuf");
}
