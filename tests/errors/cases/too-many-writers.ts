import { license, struct, u8 } from "tsbpf";
import { tcpOption } from "tsbpf/tcp";
license("GPL");
class P extends struct({ a: u8 }) {}
export const o0 = tcpOption({
  kind: 100,
  payload: P,
  established(conn) {
    conn.startWriting();
  },
  write() {},
});
export const o1 = tcpOption({
  kind: 101,
  payload: P,
  established(conn) {
    conn.startWriting();
  },
  write() {},
});
export const o2 = tcpOption({
  kind: 102,
  payload: P,
  established(conn) {
    conn.startWriting();
  },
  write() {},
});
export const o3 = tcpOption({
  kind: 103,
  payload: P,
  established(conn) {
    conn.startWriting();
  },
  write() {},
});
export const o4 = tcpOption({
  kind: 104,
  payload: P,
  established(conn) {
    conn.startWriting();
  },
  write() {},
});
export const o5 = tcpOption({
  kind: 105,
  payload: P,
  established(conn) {
    conn.startWriting();
  },
  write() {},
});
export const o6 = tcpOption({
  kind: 106,
  payload: P,
  established(conn) {
    conn.startWriting();
  },
  write() {},
});
export const o7 = tcpOption({
  kind: 107,
  payload: P,
  established(conn) {
    conn.startWriting();
  },
  write() {},
});
export const o8 = tcpOption({
  kind: 108,
  payload: P,
  established(conn) {
    conn.startWriting();
  },
  write() {},
});
export const o9 = tcpOption({
  kind: 109,
  payload: P,
  established(conn) {
    conn.startWriting();
  },
  write() {},
});
export const o10 = tcpOption({
  kind: 110,
  payload: P,
  established(conn) {
    conn.startWriting();
  },
  write() {},
});
export const o11 = tcpOption({
  kind: 111,
  payload: P,
  established(conn) {
    conn.startWriting();
  },
  write() {},
});
export const o12 = tcpOption({
  kind: 112,
  payload: P,
  established(conn) {
    conn.startWriting();
  },
  write() {},
});
export const o13 = tcpOption({
  kind: 113,
  payload: P,
  established(conn) {
    conn.startWriting();
  },
  write() {},
});
export const o14 = tcpOption({
  kind: 114,
  payload: P,
  established(conn) {
    conn.startWriting();
  },
  write() {},
});
export const o15 = tcpOption({
  kind: 115,
  payload: P,
  established(conn) {
    conn.startWriting();
  },
  write() {},
});
export const o16 = tcpOption({
  kind: 116,
  payload: P,
  established(conn) {
    conn.startWriting();
  },
  write() {},
});
export const o17 = tcpOption({
  kind: 117,
  payload: P,
  established(conn) {
    conn.startWriting();
  },
  write() {},
});
export const o18 = tcpOption({
  kind: 118,
  payload: P,
  established(conn) {
    conn.startWriting();
  },
  write() {},
});
export const o19 = tcpOption({
  kind: 119,
  payload: P,
  established(conn) {
    conn.startWriting();
  },
  write() {},
});
export const o20 = tcpOption({
  kind: 120,
  payload: P,
  established(conn) {
    conn.startWriting();
  },
  write() {},
});
export const o21 = tcpOption({
  kind: 121,
  payload: P,
  established(conn) {
    conn.startWriting();
  },
  write() {},
});
export const o22 = tcpOption({
  kind: 122,
  payload: P,
  established(conn) {
    conn.startWriting();
  },
  write() {},
});
export const o23 = tcpOption({
  kind: 123,
  payload: P,
  established(conn) {
    conn.startWriting();
  },
  write() {},
});
export const o24 = tcpOption({ //~ too-many-writers
  kind: 124,
  payload: P,
  established(conn) {
    conn.startWriting();
  },
  write() {},
});
