/** A spare subflow on the second link, and another that is none. */
export const SPARE = `
import { be32, ipv4, license, param } from "tsbpf";
import { pathManager } from "tsbpf/mptcp";
license("GPL");
export const spare = param(be32, ipv4("10.2.0.1"));
export const far = param(be32, ipv4("10.2.0.2"));
export const pm = pathManager({
  fullyEstablished(session, isMaster) {
    if (!isMaster) return;
    session.openSubflow({ from: { addr: spare }, to: { addr: far, port: session.remotePort }, backup: true });
    session.openSubflow({ from: { addr: spare }, to: { addr: session.remoteIp4, port: session.remotePort }, backup: false });
  },
});
`;
