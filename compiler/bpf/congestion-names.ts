/** Numbers of the kernel's that congestion controls are given, by the names of the language (include/net/tcp.h, include/uapi/linux/tcp.h). */

/** enum tcp_ca_state. */
export const CA_STATES = { Open: 0, Disorder: 1, Cwr: 2, Recovery: 3, Loss: 4 } as const;
/** enum tcp_ca_event. */
export const CA_EVENTS = { TxStart: 0, CwndRestart: 1, CompleteCwr: 2, Loss: 3, EcnNoCe: 4, EcnIsCe: 5 } as const;
/** enum tcp_ca_ack_event_flags. */
export const ACK_FLAGS = { SlowPath: 1, WinUpdate: 2, Ece: 4 } as const;
/** TCP_ECN_…. */
export const ECN_FLAGS = { Ok: 1, QueueCwr: 2, DemandCwr: 4, Seen: 8 } as const;
/** ICSK_ACK_… (enum inet_csk_ack_state_t of include/net/inet_connection_sock.h). */
export const ACK_PENDING = { Scheduled: 1, Timer: 2, Pushed: 4, Pushed2: 8, Now: 16, NoMemory: 32 } as const;
