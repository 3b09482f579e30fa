/** The language server with Neovim, headless: what a person does with it. */
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { root } from "../../programs.ts";
import { inFolder } from "../run.ts";

const missing = spawnSync("nvim", ["--version"]).status !== 0;

test.skipIf(missing)(
  `Neovim opens, edits, sees errors, applies fixes${missing ? " (skipped: no nvim here)" : ""}`,
  () => {
    inFolder((folder) => {
      const file = join(folder, "p.ts");
      const out = join(folder, "result.json");
      const text = (first: string, second?: string): string =>
        [
          'import { license } from "tsbpf";',
          'import { sockOps } from "tsbpf/tcp";',
          'license("GPL");',
          "export const p = sockOps((ctx) => {",
          `  if (ctx.bytesAcked > ${first}) ctx.reply = 1;`,
          ...(second === undefined ? [] : [second]),
          "  return 1;",
          "});",
        ].join("\n");
      writeFileSync(file, `${text("1")}\n`);
      const script = fileURLToPath(new URL("neovim.lua", import.meta.url));
      const ran = spawnSync("nvim", ["--headless", "-u", "NONE", "-n", "-c", `luafile ${script}`], {
        encoding: "utf8",
        timeout: 300_000,
        env: { ...process.env, TSBPF_NEOVIM_TEST: JSON.stringify([join(root, "bin/tsbpf"), file, out]) },
      });
      expect(ran.status, ran.stderr).toBe(0);
      const result = JSON.parse(readFileSync(out, "utf8")) as Record<string, unknown>;
      expect(result["opened"]).toMatchObject([{ code: "mixed-width", line: 4 }]);
      expect(result["typed"]).toMatchObject([{ code: "mixed-width" }, { code: "loose-equality", line: 5 }]);
      expect(result["fixes"]).toEqual(["write 1n", "write ==="]);
      expect(result["mended"]).toEqual([]);
      expect(result["text"]).toBe(text("1n", "  if (ctx.sndCwnd === 3) ctx.reply = 2;"));
      // Nothing was saved.
      expect(readFileSync(file, "utf8")).toBe(`${text("1")}\n`);
    });
  },
);
