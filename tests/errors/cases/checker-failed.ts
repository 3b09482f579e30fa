// two members of one name: TypeScript's checker does not survive it
import { be16, license, struct, ntohs } from "tsbpf";
import { tcpOption } from "tsbpf/tcp";
license("GPL");
class Payload extends struct({ segments: be16 }) {}
export const option = tcpOption({
  kind: 66,
  payload: Payload,
  kind( conn, option) {
    conn.setSockOpt("TCP_BPF_IW", ntohs(option.segments));
  },
});
