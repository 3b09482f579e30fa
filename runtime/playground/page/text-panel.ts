/** A panel that is one text of the compiler. */
import type { Compiled, Row } from "../protocol.ts";
import type { Link } from "./link.ts";
import { createListing } from "./listing.ts";
import type { Panel } from "./panel.ts";

export interface TextPanel extends Panel {
  show(compiled: Compiled): void;
}

export function textPanel(label: string, link: Link, rows: (compiled: Compiled) => readonly Row[]): TextPanel {
  const listing = createListing<Row>({ label, link });
  let shown: Compiled | undefined;
  let drawn: Compiled | undefined;
  return {
    element: listing.element,
    show(compiled) {
      shown = compiled;
    },
    refresh() {
      if (shown && shown !== drawn) {
        const found = rows(shown);
        listing.show(found.length > 0 ? found : [{ text: "Nothing yet: the compiler did not get this far." }]);
        drawn = shown;
      }
      return Promise.resolve();
    },
  };
}
