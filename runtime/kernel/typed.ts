/** Types of a loaded object, from the `.d.ts` that `tsbpf build --types` writes or from the TypeScript source itself. */
import type {
  ArrayMap,
  be16,
  be32,
  be64,
  CString,
  HashMap,
  Ip6,
  IpTrie,
  Ipv4Trie,
  Ipv6Trie,
  LruHashMap,
  ParamMark,
  PerCpuArray,
  Program,
  RingBuf,
  SkStorage,
} from "tsbpf";
import type { MapHandle } from "./maps.ts";
import type { GlobalHandle, LoadedObject, ProgramHandle, RingHandle } from "./object.ts";

/** An IPv6 address as text, or as its four words in host order. */
export type HostAddress6 = string | readonly (number | string)[];

/** A value of the language as the handles give and take it. */
export type HostValue<T> = T extends be32
  ? number | string
  : T extends be16
    ? number
    : T extends bigint | be64
      ? bigint
      : T extends number
        ? number
        : T extends CString<number>
          ? string
          : T extends Ip6
            ? HostAddress6
            : T extends readonly (infer E)[]
              ? readonly HostValue<E>[]
              : T extends object
                ? { readonly [K in keyof T]: HostValue<T[K]> }
                : T;

type KeysOf<M, T> = { [K in keyof M]: M[K] extends T ? K : never }[keyof M];

/** Params, and variables that are numbers or addresses. */
type DataOf<M> = KeysOf<M, number | bigint | symbol | ParamMark<unknown>>;
type DataValue<T> = HostValue<T extends ParamMark<infer V> ? V : T>;

/** What hangs on sockets, by a descriptor of this process: its own, or one that `socketOf()` took. It cannot be listed. */
export type StorageHandle<V> = Pick<MapHandle<number, V>, "name" | "shape" | "fd" | "get" | "set" | "delete">;

/** Handles for `typeof import("./program.ts")`. */
export interface FromSource<M> {
  readonly maps: {
    readonly [
      K in keyof M as M[K] extends { readonly get: unknown } | { readonly add: unknown } ? K : never
    ]: M[K] extends { readonly add: unknown }
      ? MapHandle<number, readonly bigint[]>
      : M[K] extends SkStorage<infer V>
        ? StorageHandle<HostValue<V>>
        : M[K] extends PerCpuArray<infer V>
          ? MapHandle<number, readonly HostValue<V>[]>
          : M[K] extends ArrayMap<infer V>
            ? MapHandle<number, HostValue<V>>
            : M[K] extends HashMap<infer Key, infer V> | LruHashMap<infer Key, infer V>
              ? MapHandle<HostValue<Key>, HostValue<V>>
              : M[K] extends Ipv6Trie<infer V> | IpTrie<infer V>
                ? MapHandle<{ readonly length: number; readonly address: HostAddress6 }, HostValue<V>>
                : M[K] extends Ipv4Trie<infer V>
                  ? MapHandle<{ readonly length: number; readonly address: number | string }, HostValue<V>>
                  : MapHandle;
  };
  readonly rings: {
    readonly [K in keyof M as M[K] extends { readonly output: unknown } ? K : never]: M[K] extends RingBuf<infer V>
      ? RingHandle<HostValue<V>>
      : RingHandle;
  };
  readonly params: { readonly [K in DataOf<M>]: DataValue<M[K]> };
  readonly globals: { readonly [K in DataOf<M>]: GlobalHandle<DataValue<M[K]>> };
  readonly programs: { readonly [K in KeysOf<M, Program<string>>]: ProgramHandle };
}

/** What a written `.d.ts` exports as `Loaded`. */
export interface Declared {
  readonly maps: object;
  readonly rings: object;
  readonly params: object;
  readonly globals: object;
  readonly programs: object;
}
export type ShapeOf<T> = T extends Declared ? T : FromSource<T>;

/** A loaded object with the handles that T declares. */
export type TypedObject<T> = Omit<LoadedObject, "maps" | "rings" | "globals" | "programs"> & {
  readonly maps: ShapeOf<T>["maps"];
  readonly rings: ShapeOf<T>["rings"];
  readonly globals: ShapeOf<T>["globals"];
  readonly programs: ShapeOf<T>["programs"];
};
export type ParamsOf<T> = Partial<ShapeOf<T>["params"]>;
