// What `tsbpf build` and `tsbpf check` do here. The file is read, not run.
import { defineConfig } from "tsbpf/config";

export default defineConfig({
  sources: ["programs/*.ts"],
  out: "out",
});
