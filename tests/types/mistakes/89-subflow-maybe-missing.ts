// the best of no subflows
import { license } from "tsbpf";
import { scheduler, type MptcpSubflow } from "tsbpf/mptcp";
license("GPL");
export const chooses = scheduler({
  getSend(session) {
    let best: MptcpSubflow | undefined;
    for (const subflow of session.subflows(8)) if (!subflow.backup) best = subflow;
    best.schedule(); //~ TS18048 => best?.schedule();
    return true;
  },
});
