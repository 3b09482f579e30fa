/** A browser without a screen, and the playground as the command serves it. */
import { spawn, spawnSync, type ChildProcess } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { chromium, type Browser, type BrowserContextOptions, type Page } from "playwright-core";
import { root } from "../programs.ts";

const found = ["chromium", "chromium-browser", "google-chrome"].flatMap((name) => {
  const { status, stdout } = spawnSync("which", [name], { encoding: "utf8" });
  return status === 0 ? [stdout.trim()] : [];
});
/** Why there are no tests in a browser; undefined: there is one. */
export const noBrowser = found[0] === undefined ? "chromium is not installed" : undefined;

export interface Playground {
  readonly address: string;
  readonly process: ChildProcess;
  /** A page with the playground, ready and compiled. `path` is what stands behind the address. */
  open(path?: string, options?: BrowserContextOptions): Promise<Page>;
  close(): Promise<void>;
}

/** Starts the command and a browser. */
export async function startPlayground(): Promise<Playground> {
  const process = spawn(join(root, "bin/tsbpf"), ["playground", "--port", "0"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const address = await new Promise<string>((resolve, reject) => {
    createInterface({ input: process.stdout }).once("line", resolve);
    process.once("exit", (code) => reject(new Error(`tsbpf playground ended with ${code}`)));
  });
  const browser: Browser = await chromium.launch({
    executablePath: found[0]!,
    args: ["--no-sandbox", "--disable-gpu"],
  });
  return {
    address,
    process,
    async open(path = "", options = {}) {
      // What a test evaluates in the page is `eval`, which the page's policy forbids.
      const context = await browser.newContext({ viewport: { width: 1360, height: 860 }, bypassCSP: true, ...options });
      const page = await context.newPage();
      page.on("pageerror", (error) => {
        throw error;
      });
      await page.goto(`${address}${path}`);
      await compiled(page, 1);
      return page;
    },
    async close() {
      await browser.close();
      const ended = new Promise((resolve) => process.once("exit", resolve));
      process.kill("SIGINT");
      await ended;
    },
  };
}

/** How often the page has compiled. */
export const compilations = async (page: Page): Promise<number> =>
  Number((await page.locator("#status").getAttribute("data-compiled")) ?? 0);

/** Waits until the page has compiled so often. */
export const compiled = async (page: Page, times: number): Promise<void> => {
  await page.waitForFunction(`Number(document.getElementById("status").dataset.compiled ?? 0) >= ${times}`, undefined, {
    timeout: 120_000,
  });
};

/** Puts another text into the editor, as one who types does, and waits for what becomes of it. */
export async function write(page: Page, text: string): Promise<void> {
  const before = await compilations(page);
  await page.locator(".cm-content").click();
  await page.keyboard.press("ControlOrMeta+a");
  await page.keyboard.insertText(text);
  await compiled(page, before + 1);
}

/** Chooses an example. */
export async function choose(page: Page, name: string): Promise<void> {
  const before = await compilations(page);
  await page.locator("#example").selectOption({ label: name });
  await compiled(page, before + 1);
}
