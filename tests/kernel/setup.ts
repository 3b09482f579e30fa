import { buildKernel, cachedKernel, missingTool } from "./kernel.ts";

/** Builds the patched kernel once, if it can be built here; TSBPF_KERNEL_BUILD=0 leaves that, and what needs it is skipped. */
export default function setup(): void {
  if (process.env["TSBPF_KERNEL_BUILD"] === "0") return;
  const { directory, missing } = cachedKernel();
  if (directory !== undefined || missing?.startsWith("needs")) return;
  const tools = missingTool("gcc", "make");
  if (tools !== undefined && process.getuid?.() !== 0) {
    console.warn(`the patched kernel is not built: ${tools}`);
    return;
  }
  buildKernel();
}
