import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

/** Tests on the patched kernel, in a virtual machine: "npm run test:kernel". */
export default defineConfig({
  root: fileURLToPath(new URL("../..", import.meta.url)),
  test: {
    include: ["tests/kernel/**/*.test.ts"],
    // One virtual machine at a time, and none before the kernel is built.
    fileParallelism: false,
    globalSetup: fileURLToPath(new URL("setup.ts", import.meta.url)),
    testTimeout: 7_500_000,
    hookTimeout: 7_500_000,
  },
});
