/** What an acknowledgement is (FLAG_… of net/ipv4/tcp_input.c): the bits that `congControl` is given. */
const BITS = {
  WinUpdate: 0x02,
  DataAcked: 0x04,
  RetransDataAcked: 0x08,
  SynAcked: 0x10,
  DataSacked: 0x20,
  Ece: 0x40,
  LostRetrans: 0x80,
  Slowpath: 0x100,
  OrigSackAcked: 0x200,
  SndUnaAdvanced: 0x400,
  DsackingAck: 0x800,
  SetXmitTimer: 0x1000,
  UpdateTsRecent: 0x4000,
  AckMaybeDelayed: 0x10000,
  DsackTlp: 0x20000,
} as const;
export const FLAG = {
  ...BITS,
  NotDup: BITS.WinUpdate | BITS.DataAcked | BITS.SynAcked,
  CaAlert: BITS.DataSacked | BITS.Ece | BITS.DsackingAck,
  ForwardProgress: BITS.DataAcked | BITS.SynAcked | BITS.DataSacked,
} as const;
/** What `inAckEvent` is given. */
export { ACK_FLAGS as ACK_EVENT } from "../../../../compiler/bpf/congestion-names.ts";
