/** One of the views beside the source. */
import type { Ask } from "./ask.ts";

export interface Panel {
  readonly element: HTMLElement;
  /** Another program was compiled, and this panel is seen. */
  refresh(ask: Ask): Promise<void>;
}
