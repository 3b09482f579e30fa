/**
 * Files of the package that are read when a command asks for them: what `explain` says, the playground. They lie beside the bundle, which is
 * CommonJS; in the single file they are in it (scripts/single-file.mjs puts another module in place of this).
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** Whether this is the single file. */
export const isSingleFile: boolean = false;

export const asset = (name: string): Buffer => readFileSync(join(__dirname, name));

/** The names of the files in a folder. */
export const assetsIn = (folder: string): readonly string[] => readdirSync(join(__dirname, folder));
