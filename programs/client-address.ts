// Client address: a proxy tells the server behind it whose connection this is.
//
// Why: a proxy that ends a client's connection opens one of its own to the server, which sees the proxy's address and port from then on:
// in its logs, its limits, its access rules. Where the protocol above TCP has no place for the client's address, or may not be touched, the
// option TOA ("TCP option address") of layer-4 balancers carries it.
//
// Format: kind, length, the client's port (16 bits) and its address as in a header: of IPv4 kind 200, 8 bytes; of IPv6 kind 201, 20 bytes,
// which is all that a SYN has room for. Both are in network byte order. Many balancers write kind 254, which is for experiments and wants an
// identifier behind it (RFC 6994): the port would be taken for one, and Linux finds no such option without knowing it.
//
// On a proxy its process puts the client into `clients4` or `clients6`, with the descriptor of the socket as key, before connect(). The option
// is on every segment after the SYN until the server has acknowledged some data: then it has read the option. On the server the process
// that accepted the connection finds the client there by its own descriptor. It believes those peers alone that `proxies` names:
// `tsbpf map set client-address/proxies 10.0.0.0/8 1`. Not for the patched kernel, whose options have 16 bytes at most.
import { be16, be32, Ip6, IpTrie, license, SkStorage, struct, u32 } from "tsbpf";
import { tcpOption, type TcpConn } from "tsbpf/tcp";

license("GPL");

class Client4 extends struct({ port: be16, addr: be32 }, { packed: true }) {}
class Client6 extends struct({ port: be16, addr: Ip6 }, { packed: true }) {}

/** Of a proxy's connection: whose it is. Of a server's: what the proxy said. */
export const clients4 = new SkStorage({ value: Client4 });
export const clients6 = new SkStorage({ value: Client6 });
/** Whom a server believes; 0: nobody in this prefix. */
export const proxies = new IpTrie({ value: u32, maxEntries: 256 });

const AF_INET = 2;
function isProxy(conn: TcpConn): boolean {
  const found = conn.family === AF_INET ? proxies.get(conn.remoteIp4) : proxies.get(conn.remoteIp6);
  return found !== undefined && found !== 0;
}
/** Has the server read it? The SYN counts as one byte. */
const isHeard = (conn: TcpConn): boolean => conn.bytesAcked > 1n;

export const client4 = tcpOption({
  kind: 200,
  payload: Client4,

  established(conn, side) {
    if (side === "client" && clients4.get(conn)) conn.startWriting();
  },

  write(conn, option) {
    const client = clients4.get(conn);
    if (client) {
      option.port = client.port;
      option.addr = client.addr;
    }
    if (isHeard(conn)) conn.stopWriting();
  },

  parse(conn, option) {
    if (clients4.get(conn) || !isProxy(conn)) return;
    const client = clients4.getOrCreate(conn);
    if (!client) return;
    client.port = option.port;
    client.addr = option.addr;
  },
});

export const client6 = tcpOption({
  kind: 201,
  payload: Client6,

  established(conn, side) {
    if (side === "client" && clients6.get(conn)) conn.startWriting();
  },

  write(conn, option) {
    const client = clients6.get(conn);
    if (client) {
      option.port = client.port;
      option.addr = client.addr;
    }
    if (isHeard(conn)) conn.stopWriting();
  },

  parse(conn, option) {
    if (clients6.get(conn) || !isProxy(conn)) return;
    const client = clients6.getOrCreate(conn);
    if (!client) return;
    client.port = option.port;
    client.addr = option.addr;
  },
});
