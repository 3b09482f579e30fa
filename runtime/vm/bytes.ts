/** Bytes and text. No Node is needed: the virtual machine runs in browsers, too. */

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { ignoreBOM: true });

export const utf8 = (text: string): Uint8Array => encoder.encode(text);
export const textOfUtf8 = (bytes: Uint8Array): string => decoder.decode(bytes);
/** One byte a character. */
export const latin1 = (text: string): Uint8Array => Uint8Array.from(text, (one) => one.charCodeAt(0));
export const sameBytes = (one: Uint8Array, other: Uint8Array): boolean =>
  one.length === other.length && one.every((byte, index) => byte === other[index]);
