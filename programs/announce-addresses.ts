// Announce addresses: a server tells its clients where else it can be reached.
//
// Why: nobody listens on a client's port, so that a server cannot open subflows. It can say what addresses it has (ADD_ADDR, RFC 8684, section
// 3.4.1), and the client, who knows what its own links cost, opens what it wants.
//
// How: every address of this host is announced when a session is established, and those that come later as they come. One that is gone is withdrawn;
// one whose link is down is not, because links come back.
import { license } from "tsbpf";
import { pathManager } from "tsbpf/mptcp";

license("GPL");

const AF_INET = 2;
const AF_INET6 = 10;
const SERVER_SIDE = 1;

export const announceAddresses = pathManager({
  fullyEstablished(session, isMaster) {
    if (!isMaster || (session.flags & SERVER_SIDE) === 0) return;
    for (const local of session.localAddresses())
      if (local.family === AF_INET) session.announceAddress({ addr: local.addr });
    if (session.family !== AF_INET6) return; // such a socket takes no IPv6
    for (const local of session.localAddresses())
      if (local.family === AF_INET6) session.announceAddress({ addr: local.addr6 });
  },

  // Also one whose link comes up: it may have been down when the session began. What is announced already is not sent again.
  addLocalAddress(session, local) {
    if ((session.flags & SERVER_SIDE) === 0) return;
    if (local.family === AF_INET6) session.announceAddress({ addr: local.addr6 });
    else session.announceAddress({ addr: local.addr });
  },

  removeLocalAddress(session, local, byLink) {
    if (byLink || (session.flags & SERVER_SIDE) === 0) return;
    if (local.family === AF_INET6) session.withdrawAddress({ addr: local.addr6 });
    else session.withdrawAddress({ addr: local.addr });
  },
});
