// The playground in chromium: from opening the page to the first bytecode, and from a key to the next, or to
// its draft where the whole takes longer, and to its proof. Bars: 3 s, and 300 ms.
//     npm run build && npm run bench:playground -- [pages] [keys]
import { spawn, execFileSync } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const root = fileURLToPath(new URL("../../", import.meta.url));
const PAGES = Number(process.argv[2] ?? 3);
const KEYS = Number(process.argv[3] ?? 10);
const EXAMPLES = ["user-timeout", "ndiffports", "fullmesh", "dctcp"];
const WAIT = { timeout: 60_000 };

const server = spawn(join(root, "bin/tsbpf"), ["playground", "--port", "0"], { stdio: ["ignore", "pipe", "inherit"] });
const address = await new Promise((resolve) => createInterface({ input: server.stdout }).once("line", resolve));
const executablePath = execFileSync("which", ["chromium"], { encoding: "utf8" }).trim();
const browser = await chromium.launch({ executablePath, args: ["--no-sandbox", "--disable-gpu"] });
const compilations = (page) => page.evaluate("Number(document.getElementById('status').dataset.compiled ?? 0)");
const until = (page, times) =>
  page.waitForFunction(`Number(document.getElementById("status").dataset.compiled ?? 0) >= ${times}`, undefined, WAIT);
const own = async (page) => Number(await page.locator("#status").getAttribute("data-ms"));
const told = (name, times, bar) => {
  const sorted = times.toSorted((a, b) => a - b);
  const middle = sorted[sorted.length >> 1];
  const most = sorted.at(-1);
  console.log(
    `${name.padEnd(34)} middle ${String(Math.round(middle)).padStart(5)} ms, most ${String(Math.round(most)).padStart(5)} ms, ${(middle / bar).toFixed(2)} of the bar`,
  );
};

try {
  const first = [];
  let page;
  for (let count = 0; count < PAGES; count++) {
    await page?.context().close();
    page = await (await browser.newContext({ viewport: { width: 1360, height: 860 }, bypassCSP: true })).newPage();
    await page.addInitScript(() => {
      globalThis.counts = () => {
        const { compiled = 0, drafted = 0 } = document.getElementById("status").dataset;
        return { compiled: Number(compiled), drafted: Number(drafted) };
      };
      globalThis.answers = () => globalThis.counts().compiled + globalThis.counts().drafted;
    });
    const started = performance.now();
    await page.goto(address);
    await until(page, 1);
    first.push(performance.now() - started);
  }
  told("page to first bytecode", first, 3000);
  for (const name of EXAMPLES) {
    let before = await compilations(page);
    await page.locator("#example").selectOption({ label: name });
    await until(page, before + 1);
    const times = [];
    const proven = [];
    for (let key = 0; key < KEYS; key++) {
      // As one types who thinks between two keys.
      await page.waitForTimeout(700);
      before = await compilations(page);
      const { drafted: drafts } = await page.evaluate("counts()");
      const answered = before + drafts;
      await page.locator(".cm-content").press("ControlOrMeta+Home");
      await page.keyboard.insertText("// x\n");
      await page.waitForFunction(`answers() > ${answered}`, undefined, WAIT);
      const { drafted } = await page.evaluate("counts()");
      const isDraft = drafted > drafts;
      const first = isDraft
        ? await page.evaluate("Number(document.getElementById('status').dataset.draftMs)")
        : undefined;
      await until(page, before + 1);
      proven.push(await own(page));
      times.push(first ?? proven.at(-1));
    }
    told(`${name}, again`, times, 300);
    told(`${name}, proven`, proven, 300);
  }
} finally {
  await browser.close();
  server.kill("SIGINT");
}
