import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

const at = (path: string) => fileURLToPath(new URL(path, import.meta.url));

export default defineConfig({
  resolve: {
    // Tests run against the sources, not against dist/.
    alias: [
      { find: /^tsbpf$/, replacement: at("runtime/dsl/index.ts") },
      { find: /^tsbpf\/(tcp|mptcp|delack|connect|sockopt|cc)$/, replacement: at("runtime/dsl/$1.ts") },
      { find: /^tsbpf\/testing$/, replacement: at("runtime/testing/index.ts") },
      { find: /^tsbpf\/compiler$/, replacement: at("compiler/api.ts") },
      { find: /^tsbpf\/runtime$/, replacement: at("runtime/api.ts") },
    ],
  },
  test: {
    exclude: ["tests/kernel/**", "**/node_modules/**"],
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Below node_modules: what is not edited is not transformed again.
    experimental: { fsModuleCache: true },
    projects: [
      {
        extends: true,
        // From the sources alone, so that one file starts in a second or two.
        test: {
          name: "unit",
          include: ["tests/**/*.test.ts", "programs/test/**/*.test.ts"],
          exclude: ["tests/{cli,playground,runtime}/**"],
          globalSetup: ["tests/setup/home.ts"],
        },
      },
      {
        extends: true,
        // What runs the command or a browser, or works on this machine's kernel.
        test: {
          name: "system",
          include: ["tests/{cli,playground,runtime}/**/*.test.ts"],
          globalSetup: ["tests/setup/home.ts", "tests/setup/dist.ts"],
        },
      },
    ],
  },
});
