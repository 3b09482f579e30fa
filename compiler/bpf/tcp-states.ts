/** States of a TCP socket, by the name that the language has for them (enum in include/net/tcp_states.h; BPF_TCP_… in include/uapi/linux/bpf.h). */
export const TCP_STATES = {
  established: 1,
  synSent: 2,
  synRecv: 3,
  finWait1: 4,
  finWait2: 5,
  timeWait: 6,
  close: 7,
  closeWait: 8,
  lastAck: 9,
  listen: 10,
  closing: 11,
  newSynRecv: 12,
} as const;
export type TcpStateName = keyof typeof TCP_STATES;
