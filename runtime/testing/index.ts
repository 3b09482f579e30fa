/** `tsbpf/testing`: compile a module, load it into the virtual machine, drive it from a unit test. The declarations are in runtime/dsl/testing.d.ts. */
export { coverageLcov, coverageText, takeCoverage } from "./coverage.ts";
export { createHost } from "./host.ts";
export { load } from "./load.ts";
export { connect } from "./network.ts";
export { together } from "./program-view.ts";
export { simulateSessions } from "./simulator/sessions/simulate.ts";
export { simulate } from "./simulator/simulate.ts";
