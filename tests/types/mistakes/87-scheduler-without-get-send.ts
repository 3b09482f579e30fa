// a scheduler that cannot choose
import { license } from "tsbpf";
import { scheduler } from "tsbpf/mptcp";
license("GPL");
export const chooses = scheduler({ //~ TS2345 => export const chooses = scheduler({ getSend: () => false,
  init(session) { session.sndBurst = 0; },
});
