/** The playground in a browser: from a text to its bytecode, its proof, and its bytes on the wire. */
import { request } from "node:http";
import { join } from "node:path";
import type { Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { load } from "../../runtime/testing/load.ts";
import { root, sourceText } from "../programs.ts";
import { choose, compilations, compiled, noBrowser, startPlayground, write, type Playground } from "./browser.ts";

const tab = (page: Page, name: string) => page.getByRole("tab", { name, exact: true });
const panel = (page: Page, name: string) => page.locator(`#panel-${name.toLowerCase()}`);
/** Rows of a listing that are linked with what is pointed at. */
const linkedRows = (page: Page, name: string) => panel(page, name).locator(".row.linked");
/** The line of the editor that holds this text. */
const sourceLine = (page: Page, text: string) => page.locator(".cm-line", { hasText: text }).first();

/** A browser beside other tests is slow; each of them takes a few seconds by itself. */
const timeout = 240_000;

describe.skipIf(noBrowser !== undefined)(
  `the playground${noBrowser ? ` (skipped: ${noBrowser})` : ""}`,
  { timeout },
  () => {
    let playground: Playground;
    beforeAll(async () => {
      playground = await startPlayground();
    }, timeout);
    afterAll(() => playground.close());

    test("compiles an example, and shows its bytecode under its lines", async () => {
      const page = await playground.open();
      expect(await page.locator("#status").textContent()).toMatch(/^\d+ instructions, \d+ bytes of stack, object of/);
      expect(await panel(page, "Bytecode").textContent()).toMatch(/param timeoutSeconds.*program userTimeout/);
      await choose(page, "ndiffports");
      expect(await panel(page, "Bytecode").textContent()).toContain("program ndiffports");
      await page.context().close();
    });

    test("of what takes long a draft is shown, and then its proof", async () => {
      const page = await playground.open();
      await choose(page, "fullmesh");
      const status = page.locator("#status");
      const before = await compilations(page);
      await page.locator(".cm-content").press("ControlOrMeta+Home");
      await page.keyboard.insertText("// a comment\n");
      await page.waitForFunction("document.getElementById('status').textContent.includes('not proven yet')");
      await compiled(page, before + 1);
      expect(await status.textContent()).toMatch(/object of [\d,]+ bytes/);
      expect(Number(await status.getAttribute("data-drafted"))).toBeGreaterThan(0);
      await page.context().close();
    });

    test("a line and what it became point at each other", async () => {
      const page = await playground.open();
      await sourceLine(page, "option.value = htons").hover();
      const rows = await linkedRows(page, "Bytecode").allTextContents();
      expect(rows.length).toBeGreaterThan(1);
      expect(rows[0]).toContain("option.value = htons");
      const line =
        sourceText("user-timeout")
          .split("\n")
          .findIndex((text) => text.includes("TCP_USER_TIMEOUT")) + 1;
      await panel(page, "Bytecode").locator(`.row[data-line="${line}"]`).first().hover();
      expect(await page.locator(".cm-line.cm-linked").textContent()).toContain("TCP_USER_TIMEOUT");
      await tab(page, "IR").click();
      await sourceLine(page, "option.value = htons").hover();
      expect(await linkedRows(page, "IR").count()).toBeGreaterThan(0);
      await page.context().close();
    });

    test("an error is shown at its line, and goes when it is mended", async () => {
      const page = await playground.open();
      await write(page, sourceText("user-timeout").replace("raw & 0x8000", "raw / 0"));
      const problem = page.locator("#problems button").first();
      const line =
        sourceText("user-timeout")
          .split("\n")
          .findIndex((text) => text.includes("raw & 0x8000")) + 1;
      expect(await problem.locator(".at").textContent()).toMatch(new RegExp(`^${line}:`));
      expect(await problem.textContent()).toContain("division-by-zero");
      expect(await page.locator(".cm-lintRange-error").count()).toBeGreaterThan(0);
      await write(page, sourceText("user-timeout"));
      expect(await page.locator("#problems").isVisible()).toBe(false);
      await page.context().close();
    });

    test("passes are shown one by one, with what each has changed", async () => {
      const page = await playground.open();
      await tab(page, "Passes").click();
      const steps = page.getByRole("listbox", { name: /^Passes/ });
      const changes = page.getByRole("listbox", { name: "What the pass has changed" });
      // The first one that changes anything is shown at once.
      await changes.locator(".row.added").first().waitFor();
      await steps.locator(".row:not(.idle)").last().click();
      const last = await steps.locator(".row:not(.idle) .text").last().textContent();
      expect(await page.locator("#panel-passes .wide h3").textContent()).toBe(last);
      await steps.locator(".row.idle").first().click();
      // The worker answers; until then what the other pass has changed stays.
      await expect.poll(() => changes.locator(".row.added, .row.removed").count()).toBe(0);
      await changes.getByText("lines as before").waitFor();
      await page.context().close();
    });

    test("the path that the verifier refuses is walked step by step", async () => {
      const page = await playground.open();
      await choose(page, "refused");
      expect(await page.locator("#problems").textContent()).toContain("state-index");
      await tab(page, "Verifier").click();
      await page.locator(".summary.reject").waitFor();
      const steps = page.getByRole("listbox", { name: "Steps of the path that fails" });
      const count = await steps.locator(".row").count();
      expect(count).toBeGreaterThan(2);
      const place = page.locator(".scrub output");
      expect(await place.textContent()).toBe(`step ${count} of ${count}`);
      expect(await page.locator(".known h3").textContent()).toContain("refused here");
      expect(await page.locator(".known tr").count()).toBeGreaterThan(1);
      await page.getByRole("button", { name: "Step before" }).click();
      expect(await place.textContent()).toBe(`step ${count - 1} of ${count}`);
      await page.context().close();
    });

    test("the verifier's states are shown of a program that it accepts", async () => {
      const page = await playground.open();
      await tab(page, "Verifier").click();
      expect(await page.locator(".summary.accept").textContent()).toContain("accepts userTimeout");
      const rows = page.getByRole("listbox", { name: /^Instructions/ });
      await rows.locator(".row").first().click();
      expect(await page.locator(".known table").first().textContent()).toContain("R1ctx");
      await page.context().close();
    });

    test("events put the same bytes on the wire as in a unit test", async () => {
      type Module = typeof import("../../programs/user-timeout.ts");
      const source = join(root, "programs/user-timeout.ts");
      const loaded = await load(source, { params: { timeoutSeconds: 300 } });
      const { userTimeout } = loaded as unknown as {
        userTimeout: {
          established(side: string): void;
          write(): Uint8Array;
          send(bytes: number): Uint8Array | undefined;
        };
      } satisfies Partial<Record<keyof Module, object>>;
      userTimeout.established("client");
      const hex = (bytes: Uint8Array | undefined): string =>
        Buffer.from(bytes ?? [])
          .toString("hex")
          .replace(/..(?=.)/g, "$& ");
      const wanted = [
        hex(userTimeout.write()),
        hex(userTimeout.send(100)),
        hex(userTimeout.send(100)),
        hex(userTimeout.send(100)),
      ];
      expect(wanted[0]).toBe("1c 04 01 2c");

      const page = await playground.open();
      await tab(page, "Run").click();
      await page
        .locator("#events")
        .fill("param timeoutSeconds=300\nestablished client\nwrite\nsend 100\nsend 100\nsend 100\n");
      const steps = page.getByRole("listbox", { name: "Events that were played" });
      await steps.locator(".row", { hasText: "1c 04 01 2c" }).first().waitFor();
      const shown: string[] = [];
      for (const index of [1, 2, 3, 4]) {
        await steps.locator(".row").nth(index).click();
        shown.push((await page.locator(".details .wire").getAttribute("data-wire")) ?? "");
      }
      expect(shown).toEqual(wanted);
      // The last one stopped writing: the lines that ran are marked.
      await steps.locator(".row").nth(1).click();
      expect(await page.locator(".cm-line.cm-ran").allTextContents()).toContainEqual(
        expect.stringContaining("option.value = htons"),
      );
      await page.context().close();
    });

    test("a link holds program, events and view", async () => {
      const page = await playground.open();
      await write(page, sourceText("initial-window"));
      await tab(page, "Run").click();
      await page.locator("#events").fill("established client\nwrite\n");
      await page.waitForFunction("location.hash.length > 100");
      const before = page.url();
      await page.waitForTimeout(1000);
      const hash = new URL(page.url()).hash;
      expect(page.url().length).toBeGreaterThan(before.length - 200);
      const other = await playground.open(hash);
      expect(await other.locator(".cm-content").textContent()).toContain("initial");
      expect(await other.locator("#events").inputValue()).toBe("established client\nwrite\n");
      expect(await tab(other, "Run").getAttribute("aria-selected")).toBe("true");
      await page.context().close();
      await other.context().close();
    });

    test("everything can be reached and done with the keyboard", async () => {
      const page = await playground.open();
      const focused = (): Promise<string> =>
        page.evaluate("document.activeElement.id || document.activeElement.className || ''");
      const seen: string[] = [];
      for (let key = 0; key < 12; key++) {
        await page.keyboard.press("Tab");
        seen.push(await focused());
      }
      expect(seen.join(" ")).toMatch(/example.*target.*share.*theme.*cm-content.*tab-bytecode.*listing/);
      await tab(page, "Bytecode").focus();
      await page.keyboard.press("ArrowRight");
      expect(await focused()).toBe("tab-ir");
      expect(await panel(page, "IR").isVisible()).toBe(true);
      await page.keyboard.press("Tab");
      for (let key = 0; key < 12; key++) await page.keyboard.press("ArrowDown");
      const current = panel(page, "IR").locator('.row[aria-selected="true"]');
      expect(await current.count()).toBe(1);
      const line = await current.getAttribute("data-line");
      if (line !== null) expect(await page.locator(".cm-line.cm-linked").count()).toBe(1);
      await page.context().close();
    });

    test("on a narrow screen nothing is wider than the screen", async () => {
      const page = await playground.open("", { viewport: { width: 390, height: 844 } });
      for (const name of ["Bytecode", "Verifier", "Run", "Passes"]) {
        await tab(page, name).click();
        expect(await page.evaluate<number>("document.documentElement.scrollWidth"), name).toBeLessThanOrEqual(390);
      }
      await page.context().close();
    });

    test.each(["light", "dark"] as const)("%s: text stands out from what is behind it", async (colorScheme) => {
      const page = await playground.open("", { colorScheme });
      const dark = await page.evaluate<string>("getComputedStyle(document.body).backgroundColor");
      expect(dark).toBe(colorScheme === "dark" ? "rgb(20, 23, 26)" : "rgb(246, 247, 248)");
      for (const name of ["Bytecode", "Passes", "Verifier", "Run"]) {
        await tab(page, name).click();
        await page.waitForTimeout(300);
        expect(await page.evaluate<string[]>(LOW_CONTRAST), name).toEqual([]);
      }
      await page.context().close();
    });

    test("the server gives its own files and nothing else", async () => {
      const ask = (path: string, method = "GET"): Promise<{ readonly status: number; readonly type: string }> =>
        new Promise((resolve, reject) => {
          const { hostname, port } = new URL(playground.address);
          const sent = request({ hostname, port, path, method }, (response) => {
            response.resume();
            resolve({ status: response.statusCode!, type: String(response.headers["content-type"]) });
          });
          sent.on("error", reject).end();
        });
      expect(await ask("/")).toEqual({ status: 200, type: "text/html; charset=utf-8" });
      expect((await ask("/main.js")).type).toBe("text/javascript; charset=utf-8");
      expect((await ask("/style.css?x")).type).toBe("text/css; charset=utf-8");
      for (const path of [
        "/../cli.cjs",
        "/%2e%2e/cli.cjs",
        "//etc/passwd",
        "/..%2fcli.cjs",
        "/constructor",
        "/./../../package.json",
      ])
        expect((await ask(path)).status, path).toBe(404);
      expect((await ask("/", "POST")).status).toBe(405);
    });
  },
);

/** Runs in the page: texts whose contrast with what is behind them is below 4.5 to 1 (WCAG 2.2, 1.4.3). */
const LOW_CONTRAST = `(() => {
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });
  const rgba = (colour) => {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    const [r, g, b, a] = canvas.getImageData(0, 0, 1, 1).data;
    return [r, g, b, a / 255];
  };
  const over = ([r, g, b, a], [R, G, B]) => [r * a + R * (1 - a), g * a + G * (1 - a), b * a + B * (1 - a)];
  const behind = (element) => {
    const layers = [];
    for (let at = element; at; at = at.parentElement) {
      const colour = rgba(getComputedStyle(at).backgroundColor);
      layers.push(colour);
      if (colour[3] === 1) break;
    }
    return layers.reverse().reduce((below, layer) => over(layer, below), [255, 255, 255]);
  };
  const light = (colour) => {
    const [r, g, b] = colour.map((one) => one / 255).map((one) => (one <= 0.04045 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const low = new Set();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  for (let count = 0; walker.nextNode() && count < 4000; count++) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || element.getClientRects().length === 0 || element.closest("noscript, option")) continue;
    const back = behind(element);
    const front = over(rgba(getComputedStyle(element).color), back);
    const [a, b] = [light(front), light(back)].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < 4.5) low.add(element.tagName + "." + element.className + " " + ratio.toFixed(2) + ": " + walker.currentNode.data.slice(0, 30));
  }
  return [...low].slice(0, 10);
})()`;
