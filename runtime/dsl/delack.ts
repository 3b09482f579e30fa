/** `tsbpf/delack` in Node. The declarations are in delack.d.ts. */
import { onlyInBytecode } from "./map-classes.ts";

export const setDelayedAck = (): never => onlyInBytecode("setDelayedAck()");
