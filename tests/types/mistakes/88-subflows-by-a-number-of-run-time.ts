// a loop over subflows whose bound is no literal
import { license } from "tsbpf";
import { scheduler } from "tsbpf/mptcp";
license("GPL");
export const chooses = scheduler({
  getSend(session) {
    for (const subflow of session.subflows(session.token)) subflow.schedule(); //~ TS2345 => for (const subflow of session.subflows(8)) subflow.schedule();
    return true;
  },
});
