import type { BigIntStats } from "node:fs";

/** The folder of this package in the user's cache directory. */
export function cacheFolder(): string;
export function isSafe(file: string): boolean;
export function readOwn(file: string, mine: boolean): { readonly stat: BigIntStats; readonly bytes: Buffer };
export function makeFolder(folder: string): boolean;
