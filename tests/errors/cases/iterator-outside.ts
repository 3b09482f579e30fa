import { license } from "tsbpf";
import { scheduler } from "tsbpf/mptcp";

license("GPL");

export const keeps = scheduler({
  getSend(session) {
    const list = session.subflows(4); //~ iterator-outside
    for (const subflow of list) subflow.schedule();
    return true;
  },
});
