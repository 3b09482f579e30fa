/** Which rooms of the house may look into which. A room is a folder, or a file that stands beside folders. */

/**
 * The rooms, lowest first: a room may import those that it lists, and nothing else. A new arrow is a decision about the
 * whole house, so it is written here first.
 */
export const LAYERS: Readonly<Record<string, readonly string[]>> = {
  // Values without behaviour, and texts: anyone may read them.
  "compiler/span.ts": [],
  "compiler/printable.ts": [],
  "compiler/addresses.ts": [],
  "compiler/hex.ts": [],
  "compiler/version.generated.ts": [],
  "compiler/layout.ts": [],
  "compiler/local-addresses.ts": ["compiler/layout.ts"],
  // Facts about BPF and its kernels.
  "compiler/bpf": [],
  "compiler/module.ts": ["compiler/bpf", "compiler/layout.ts", "compiler/span.ts"],
  "compiler/link.ts": ["compiler/bpf", "compiler/module.ts"],
  "compiler/findings.ts": ["compiler/layout.ts", "compiler/span.ts"],
  "compiler/diagnostics": ["compiler/diagnostics.ts", "compiler/printable.ts", "compiler/span.ts"],
  "compiler/diagnostics.ts": ["compiler/diagnostics", "compiler/span.ts"],
  // The stages, in the order in which a program goes through them.
  "compiler/ir": ["compiler/bpf", "compiler/hex.ts", "compiler/module.ts", "compiler/span.ts"],
  "compiler/frontend": [
    "compiler/addresses.ts",
    "compiler/bpf",
    "compiler/diagnostics.ts",
    "compiler/findings.ts",
    "compiler/ir",
    "compiler/layout.ts",
    "compiler/local-addresses.ts",
    "compiler/module.ts",
    "compiler/span.ts",
  ],
  "compiler/passes": [
    "compiler/bpf",
    "compiler/diagnostics.ts",
    "compiler/ir",
    "compiler/module.ts",
    "compiler/span.ts",
  ],
  "compiler/backend": [
    "compiler/bpf",
    "compiler/diagnostics.ts",
    "compiler/ir",
    "compiler/module.ts",
    "compiler/span.ts",
  ],
  "compiler/object": [
    "compiler/bpf",
    "compiler/layout.ts",
    "compiler/module.ts",
    "compiler/printable.ts",
    "compiler/span.ts",
  ],
  "compiler/verifier": [
    "compiler/bpf",
    "compiler/diagnostics.ts",
    "compiler/hex.ts",
    "compiler/layout.ts",
    "compiler/link.ts",
    "compiler/module.ts",
    "compiler/span.ts",
  ],
  // Optimizes and emits in more than one way, to choose.
  "compiler/keep-functions.ts": [
    "compiler/backend",
    "compiler/bpf",
    "compiler/diagnostics.ts",
    "compiler/ir",
    "compiler/module.ts",
    "compiler/passes",
  ],
  // The one place that knows all stages.
  "compiler/compile.ts": [
    "compiler/backend",
    "compiler/bpf",
    "compiler/diagnostics.ts",
    "compiler/findings.ts",
    "compiler/frontend",
    "compiler/ir",
    "compiler/keep-functions.ts",
    "compiler/module.ts",
    "compiler/object",
    "compiler/span.ts",
    "compiler/verifier",
  ],
  "compiler/api.ts": [
    "compiler/bpf",
    "compiler/compile.ts",
    "compiler/diagnostics.ts",
    "compiler/module.ts",
    "compiler/span.ts",
    "compiler/version.generated.ts",
  ],

  // What a user's program imports when it runs as JavaScript: tables and texts of the compiler, no stage of it.
  "runtime/dsl": ["compiler/addresses.ts", "compiler/bpf", "compiler/layout.ts"],
  "runtime/vm": [
    "compiler/addresses.ts",
    "compiler/bpf",
    "compiler/layout.ts",
    "compiler/link.ts",
    "compiler/local-addresses.ts",
    "compiler/module.ts",
    "compiler/span.ts",
  ],
  // Files of the user: sources, and what a project allows.
  "runtime/files": ["compiler/diagnostics.ts", "compiler/span.ts"],
  // The project file, and what the compiler is told of it.
  "runtime/project": ["compiler/bpf", "compiler/compile.ts", "compiler/object", "runtime/files"],
  "runtime/testing": [
    "compiler/addresses.ts",
    "compiler/bpf",
    "compiler/compile.ts",
    "compiler/diagnostics",
    "compiler/layout.ts",
    "compiler/local-addresses.ts",
    "compiler/module.ts",
    "compiler/object",
    "compiler/span.ts",
    "runtime/dsl",
    "runtime/files",
    "runtime/vm",
  ],
  "runtime/kernel": [
    "compiler/addresses.ts",
    "compiler/bpf",
    "compiler/layout.ts",
    "compiler/link.ts",
    "compiler/module.ts",
    "compiler/object",
    "compiler/printable.ts",
    "runtime/dsl",
  ],
  "runtime/mptcp": [
    "compiler/addresses.ts",
    "compiler/bpf",
    "compiler/local-addresses.ts",
    "compiler/module.ts",
    "runtime/kernel",
    "runtime/vm",
  ],
  // Numbers of all that runs, for those who watch.
  "runtime/metrics": [
    "compiler/bpf",
    "compiler/module.ts",
    "compiler/version.generated.ts",
    "runtime/kernel",
    "runtime/mptcp",
  ],
  // One process that keeps the programs of a file running.
  "runtime/service": ["runtime/kernel", "runtime/metrics", "runtime/mptcp"],
  // Packages of programs and of the service, for the engines of others.
  "runtime/package": [
    "compiler/bpf",
    "compiler/layout.ts",
    "compiler/module.ts",
    "runtime/files",
    "runtime/kernel",
    "runtime/service",
  ],
  "runtime/api.ts": ["compiler/module.ts", "runtime/files", "runtime/kernel", "runtime/mptcp"],
  // The language server: what the compiler finds, for editors.
  "runtime/lsp": [
    "compiler/bpf",
    "compiler/compile.ts",
    "compiler/diagnostics",
    "compiler/diagnostics.ts",
    "compiler/findings.ts",
    "compiler/layout.ts",
    "compiler/module.ts",
    "compiler/object",
    "compiler/span.ts",
    "compiler/verifier",
    "compiler/version.generated.ts",
    "runtime/files",
    "runtime/project",
  ],
  // The page that shows what the compiler does, in a browser: no room that touches files or the kernel.
  "runtime/playground": [
    "compiler/bpf",
    "compiler/compile.ts",
    "compiler/diagnostics",
    "compiler/frontend",
    "compiler/hex.ts",
    "compiler/ir",
    "compiler/local-addresses.ts",
    "compiler/module.ts",
    "compiler/object",
    "compiler/passes",
    "compiler/span.ts",
    "compiler/verifier",
    "runtime/dsl",
    "runtime/testing",
  ],
  // The command line: whatever a command needs.
  "runtime/cli": [
    "bin/own.cjs",
    "compiler/bpf",
    "compiler/compile.ts",
    "compiler/diagnostics",
    "compiler/ir",
    "compiler/layout.ts",
    "compiler/module.ts",
    "compiler/object",
    "compiler/printable.ts",
    "compiler/span.ts",
    "compiler/verifier",
    "compiler/version.generated.ts",
    "runtime/files",
    "runtime/kernel",
    "runtime/lsp",
    "runtime/metrics",
    "runtime/mptcp",
    "runtime/package",
    "runtime/project",
    "runtime/service",
    "runtime/vm",
  ],
};

/** Most files of one circle of imports, types apart, within a room; 1 where it is not here. */
export const CIRCLES: Readonly<Record<string, number>> = { "compiler/frontend": 38, "runtime/cli": 3 };

/** What is bundled for browsers: nothing that it reaches may ask for Node. */
export const FOR_BROWSERS: readonly string[] = [
  "runtime/playground/page/main.ts",
  "runtime/playground/worker/worker.ts",
];

/** Which rooms may load a library: TypeScript takes longer to load than most commands to run. */
export const LIBRARIES: Readonly<Record<string, readonly string[]>> = {
  // A tsconfig.json is TypeScript's own kind of JSON; who reads the user's files asks its parser.
  // The command has TypeScript for the other modules of the package, too.
  "ts-morph": ["compiler/frontend", "runtime/files", "runtime/project"],
  typescript: [],
  koffi: ["runtime/kernel"],
  commander: ["runtime/cli"],
  "prom-client": ["runtime/metrics"],
  "@codemirror/view": ["runtime/playground"],
};
