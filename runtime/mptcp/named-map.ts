/** Objects from before session.localAddresses(). */
import type { BpfModule } from "../../compiler/module.ts";
import { RuntimeError } from "../kernel/errors.ts";

/**
 * Objects were given their addresses in a map of this name until there was session.localAddresses(). One that is still
 * built that way would find no address, and say nothing.
 */
export function refuseNamedMap(module: BpfModule): void {
  const map = module.maps.find(({ name, type, value }) => {
    const fields = name === "localAddrs" && type === "array" && value?.kind === "struct" ? value.fields : [];
    return fields.some((field) => /^addr6?$/.test(field.name));
  });
  if (!map) return;
  throw new RuntimeError(
    "bad-object",
    `nobody fills ${map.name} any more: the addresses of this host have no map of their own`,
    {
      help: "loop over them, for (const local of session.localAddresses()), and build the object again; in C they are in an array map of struct local_addresses",
    },
  );
}
