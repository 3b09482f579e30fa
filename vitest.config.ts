import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

const at = (path: string) => fileURLToPath(new URL(path, import.meta.url));

export default defineConfig({
  resolve: {
    // Tests run against the sources, not against dist/.
    alias: [
      { find: /^tsbpf$/, replacement: at("runtime/dsl/index.ts") },
      { find: /^tsbpf\/(tcp|mptcp|delack)$/, replacement: at("runtime/dsl/$1.ts") },
      { find: /^tsbpf\/testing$/, replacement: at("runtime/testing/index.ts") },
      { find: /^tsbpf\/compiler$/, replacement: at("compiler/api.ts") },
      { find: /^tsbpf\/runtime$/, replacement: at("runtime/api.ts") },
    ],
  },
  test: {
    include: ["tests/**/*.test.ts", "programs/test/**/*.test.ts"],
    exclude: ["tests/kernel/**", "**/node_modules/**"],
    globalSetup: "tests/setup.ts",
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
