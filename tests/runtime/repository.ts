/** The repository's folder, from the sources as well as from a bundle under node_modules/.cache. */
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";

export const repository = ((): string => {
  const here = fileURLToPath(import.meta.url);
  const cached = here.indexOf("/node_modules/");
  return cached >= 0 ? here.slice(0, cached) : dirname(dirname(dirname(here)));
})();
