/** esbuild plugin: Commander can run sub-commands as programs of their own. Ours are none, and early Node 20 takes no snapshot with it. */
export const noProcesses = {
  name: "no-processes",
  setup(build) {
    build.onResolve({ filter: /^node:child_process$/ }, ({ importer }) =>
      importer.includes("/commander/") ? { path: "nothing", namespace: "no-processes" } : undefined,
    );
    build.onLoad({ filter: /./, namespace: "no-processes" }, () => ({ contents: "module.exports = {};" }));
  },
};
