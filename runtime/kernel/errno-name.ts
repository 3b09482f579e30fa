/** Names of errors. Apart from the calls that give them: who only compiles loads no foreign-function binding for its words. */
import { getSystemErrorMap } from "node:util";

/** "EPERM" for 1 or -1; "errno 4095" for numbers nobody has named. 524 is the kernel's internal ENOTSUPP. */
export function errnoName(errno: number): string {
  const positive = Math.abs(errno);
  if (positive === 524) return "ENOTSUPP";
  return getSystemErrorMap().get(-positive)?.[0] ?? `errno ${positive}`;
}
