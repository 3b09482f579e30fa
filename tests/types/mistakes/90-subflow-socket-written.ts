// the connection of a subflow is its congestion control's
import { license } from "tsbpf";
import { scheduler } from "tsbpf/mptcp";
license("GPL");
export const chooses = scheduler({
  getSend(session) {
    for (const subflow of session.subflows(8)) {
      if (subflow.tcp) subflow.tcp.sndCwnd = 1; //~ TS2540 => if (subflow.tcp) subflow.avgPacingRate = subflow.tcp.pacingRate;
      subflow.schedule();
    }
    return true;
  },
});
