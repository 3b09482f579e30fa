// Server id: which server behind a load balancer has this connection.
//
// Why: a balancer that spreads connections over servers must send every segment of one to the same server, also after its own table is
// gone, or when the client's address changes. So the server names itself once, on its SYN-ACK, and the client repeats the name on
// every segment that it sends from then on: whoever stands in between finds the server in the segment itself.
//
// Format (6 bytes): kind 183, length 6, the server's number in 32 bits, network byte order.
//
// On a server set the param `serverId`; on a client leave it 0. Six bytes are eight with their padding: full segments carry that much less data.
import { be32, htonl, license, param, sizeOf, SkStorage, struct, u32 } from "tsbpf";
import { tcpOption } from "tsbpf/tcp";

license("GPL");

/** The number of this server; 0: this host is a client. */
export const serverId = param(u32, 0);

class ServerId extends struct({ id: be32 }) {}
/** Of a client's connection: what its server said. */
export const servers = new SkStorage({ value: ServerId });

export const serverName = tcpOption({
  kind: 183,
  payload: ServerId,

  listening(conn) {
    if (serverId !== 0) conn.startWriting();
  },

  established(conn, side) {
    if (side === "server") conn.stopWriting(); // it was said on the SYN-ACK
  },

  length(conn, segment) {
    // Where another option is on a listener, its SYN-ACKs are asked of this one, too.
    return serverId === 0 && segment.syn ? 0 : sizeOf(ServerId);
  },

  write(conn, option, segment) {
    const server = servers.get(conn);
    if (server) option.id = server.id;
    else if (segment.syn) option.id = htonl(serverId);
  },

  parse(conn, option, segment) {
    if (!segment.syn || segment.optionBytes !== sizeOf(ServerId)) return;
    const server = servers.getOrCreate(conn);
    if (!server) return;
    server.id = option.id;
    conn.startWriting(); // from the third ACK on
  },
});
