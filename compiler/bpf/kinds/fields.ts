/** From the fields of a context to the rules of access to it. */
import type { ContextLayout, ContextRange } from "./access.ts";
import { ATTACH_TYPES, type AttachTypeName } from "./attach-types.ts";
import type { ContextField } from "./kind.ts";

const includes = (names: readonly AttachTypeName[] | undefined, attach: number): boolean =>
  names === undefined || names.some((name) => ATTACH_TYPES[name] === attach);

/** Whether programs of this attach type (by number) have a field, and may write it. */
export const isThere = (field: ContextField, attach: number): boolean => includes(field.at, attach);
export const isWritable = (field: ContextField, attach: number): boolean =>
  field.writable === true && isThere(field, attach) && includes(field.writableAt, attach);

/** A context of so many bytes whose fields are all that there is to access. */
export const layoutOf =
  (bytes: number, fields: Readonly<Record<string, ContextField>>) =>
  (attach: number): ContextLayout => ({ bytes, ranges: rangesOf(fields, attach) });

/** The range of each field that programs of this attach type have. */
export const rangesOf = (fields: Readonly<Record<string, ContextField>>, attach: number): ContextRange[] =>
  Object.entries(fields)
    .filter(([, field]) => isThere(field, attach))
    .map(([name, field]) => ({
      name,
      start: field.offset,
      end: field.offset + field.bytes * (field.count ?? 1),
      read: field.read ?? field.bytes,
      ...(isWritable(field, attach) ? { write: field.write ?? field.bytes } : {}),
      ...(field.pointer === undefined ? {} : { pointer: field.pointer }),
      ...(field.since === undefined ? {} : { since: field.since }),
      ...(field.needs === undefined ? {} : { needs: field.needs }),
    }));
