/** Arrays, one value per slot or one per slot and CPU (kernel/bpf/arraymap.c). */
import { isPerCpu } from "../../../compiler/bpf/map-types.ts";
import { ERRNO } from "../errno.ts";
import { UPDATE, type MapHost, type MapShape, type VmMap } from "./map.ts";

export function createArray(shape: MapShape, host: MapHost): VmMap {
  const { memory } = host;
  const perCpu = isPerCpu(shape.type);
  const copies = perCpu ? host.cpus : 1;
  const regions = Array.from({ length: copies }, (_, cpu) =>
    memory.allocate({
      name: `a value of ${shape.name}${perCpu ? ` on CPU ${cpu}` : ""}`,
      size: shape.valueBytes,
      count: shape.maxEntries,
      // A map frozen for programs (BPF_F_RDONLY_PROG) is read-only to them.
      ...(shape.flags & 0x80 ? { access: "read-only" as const } : {}),
    }),
  );
  const indexOf = (key: Uint8Array): number => new DataView(key.buffer, key.byteOffset).getUint32(0, true);
  const keyOf = (index: number): Uint8Array => new Uint8Array(Uint32Array.of(index).buffer);
  const store = (index: number, cpu: number, value: Uint8Array): void => {
    memory.slice(regions[cpu]!, index).set(value);
  };
  const refusal = (key: Uint8Array, flags: bigint): number => {
    if (flags > UPDATE.exist) return ERRNO.EINVAL;
    if (indexOf(key) >= shape.maxEntries) return ERRNO.E2BIG;
    return flags === UPDATE.noExist ? ERRNO.EEXIST : 0;
  };
  const lookupOn = (key: Uint8Array, cpu: number): bigint => {
    const index = indexOf(key);
    return index < shape.maxEntries ? memory.address(regions[cpu]!, index) : 0n;
  };
  return {
    shape,
    lookup: (key) => lookupOn(key, perCpu ? host.cpu() : 0),
    update(key, value, flags) {
      const refused = refusal(key, flags);
      if (refused === 0) store(indexOf(key), perCpu ? host.cpu() : 0, value);
      return refused;
    },
    remove: () => ERRNO.EINVAL,
    read(key) {
      const index = indexOf(key);
      return index < shape.maxEntries ? regions.map((region) => memory.slice(region, index).slice()) : undefined;
    },
    write(key, values, flags = UPDATE.any) {
      const refused = refusal(key, flags);
      if (refused === 0) values.forEach((value, cpu) => store(indexOf(key), cpu, value));
      return refused;
    },
    *keys() {
      for (let index = 0; index < shape.maxEntries; index++) yield keyOf(index);
    },
    ...(perCpu ? { lookupOn } : { direct: () => memory.address(regions[0]!) }),
  };
}
