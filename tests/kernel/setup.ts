import { buildKernel, cachedKernel, missingTool } from "./kernel.ts";

/** Builds the patched kernel once, if it can be built here. */
export default function setup(): void {
  const { directory, missing } = cachedKernel();
  if (directory !== undefined || missing?.startsWith("needs")) return;
  const tools = missingTool("gcc", "make");
  if (tools !== undefined && process.getuid?.() !== 0) {
    console.warn(`the patched kernel is not built: ${tools}`);
    return;
  }
  buildKernel();
}
