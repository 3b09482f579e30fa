import { defineConfig } from "vitest/config";

// The first test of a file compiles the program, which takes a while on a busy machine.
export default defineConfig({ test: { testTimeout: 30_000 } });
