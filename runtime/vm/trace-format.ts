/** bpf_trace_printk's formats (bpf_bprintf_prepare in kernel/bpf/helpers.c). */
import { textOfUtf8 } from "./bytes.ts";
import type { Memory } from "./memory.ts";

const SPECIFIER = /%(?:%|p(?:[Ii]4|[Ii]6|ks|us|[KxsSB])?|([-+0# ]*)(\d*)((?:ll|l|h|hh)?)([diuxXcs]))/g;
/** A percent sign that starts none of the above. */
const UNKNOWN = /%(?!%|p|[-+0# ]*\d*(?:ll|l|hh|h)?[diuxXcs])/;

const cString = (memory: Memory, address: bigint): string => {
  let text = "";
  for (let at = address; text.length < 512; at++) {
    const byte = memory.bytes[memory.index(at, 1, false)]!;
    if (byte === 0) break;
    text += String.fromCharCode(byte);
  }
  return text;
};

function integer(value: bigint, length: string, conversion: string): string {
  const bits = length === "ll" || length === "l" ? 64 : 32;
  if (conversion === "d" || conversion === "i") return BigInt.asIntN(bits, value).toString();
  const unsigned = BigInt.asUintN(bits, value);
  if (conversion === "x") return unsigned.toString(16);
  if (conversion === "X") return unsigned.toString(16).toUpperCase();
  return unsigned.toString();
}

/** The line without its line break; undefined when the kernel answers EINVAL. */
export function formatTrace(memory: Memory, format: Uint8Array, values: readonly bigint[]): string | undefined {
  if (format.at(-1) !== 0) return undefined;
  const text = textOfUtf8(format.subarray(0, format.indexOf(0)));
  if (UNKNOWN.test(text.replaceAll("%%", ""))) return undefined;
  let next = 0;
  let missing = false;
  const line = text.replace(
    SPECIFIER,
    (match, flags: string | undefined, width: string | undefined, length = "", conversion = "") => {
      if (match === "%%") return "%";
      const value = values[next++];
      if (value === undefined) {
        missing = true;
        return match;
      }
      if (match === "%pI4" || match === "%pi4") {
        const at = memory.index(value, 4, false);
        return [...memory.bytes.subarray(at, at + 4)].join(".");
      }
      if (match === "%pI6" || match === "%pi6") {
        const at = memory.index(value, 16, false);
        const bytes = memory.bytes.subarray(at, at + 16);
        return Array.from({ length: 8 }, (_, index) =>
          ((bytes[index * 2]! << 8) | bytes[index * 2 + 1]!).toString(16).padStart(4, "0"),
        ).join(":");
      }
      if (match.startsWith("%pk") || match.startsWith("%pu") || conversion === "s") return cString(memory, value);
      if (match.startsWith("%p")) return value.toString(16).padStart(16, "0");
      if (conversion === "c") return String.fromCharCode(Number(value & 0xffn));
      const digits = integer(value, length, conversion);
      const size = Number(width ?? 0);
      if (flags?.includes("-")) return digits.padEnd(size);
      if (!flags?.includes("0")) return digits.padStart(size);
      return digits.startsWith("-") ? `-${digits.slice(1).padStart(size - 1, "0")}` : digits.padStart(size, "0");
    },
  );
  return missing ? undefined : line.replace(/\n$/, "");
}
