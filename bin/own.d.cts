import type { BigIntStats } from "node:fs";

/** The folder of this package in the user's cache directory; undefined where there is none. */
export function cacheFolder(): string | undefined;
export function isSafe(file: string): boolean;
export function readOwn(file: string, mine: boolean): { readonly stat: BigIntStats; readonly bytes: Buffer };
export function makeFolder(folder: string): boolean;
