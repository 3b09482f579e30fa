import { license } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
export const program = sockOps((ctx) => {
  ctx.setSockOpt("TCP_BPF_DELACK_MAX", 200_001); //~ socket-option-value
  ctx.setSockOpt("TCP_BPF_RTO_MIN", 1_000); //~ socket-option-value
  ctx.setSockOpt("TCP_USER_TIMEOUT", 0x8000_0000); //~ socket-option-value
  ctx.setSockOpt("TCP_BPF_IW", 0); //~ socket-option-value
  ctx.setSockOpt("TCP_BPF_DELACK_MAX", 200_000);
  return 1;
});
