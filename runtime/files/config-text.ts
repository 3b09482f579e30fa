/** The text of a tsconfig.json: JSON with comments and trailing commas. */
import { ts } from "ts-morph";

export interface TsConfig {
  readonly extends?: string | readonly string[];
  readonly compilerOptions?: Readonly<Record<string, unknown>>;
}

/** What could be read of it. */
export const parseTsConfig = (text: string): TsConfig =>
  (ts.parseConfigFileTextToJson("tsconfig.json", text).config as TsConfig | undefined) ?? {};
