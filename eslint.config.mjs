// Only rules that find faults, or that keep one way to write what has two. Layout is prettier's.
import tseslint from "typescript-eslint";

/** Node's own modules, then packages, then files of ours: farther ones first. */
const groupOf = (source) =>
  source.startsWith("node:") ? 0 : source.startsWith("../") ? 2 : source.startsWith("./") ? 3 : 1;

const importGroups = {
  meta: {
    type: "layout",
    schema: [],
    messages: { order: "'{{ late }}' stands above this one: first node:, then packages, then ../, then ./" },
  },
  create: (context) => ({
    Program({ body }) {
      const imports = body.filter((node) => node.type === "ImportDeclaration");
      for (const [i, node] of imports.entries()) {
        const before = imports[i - 1];
        if (before && groupOf(before.source.value) > groupOf(node.source.value))
          context.report({ node, messageId: "order", data: { late: before.source.value } });
      }
    },
  }),
};

/** Of everything, whether types are known or not. */
const rules = {
  "tsbpf/import-groups": "error",
  "no-duplicate-imports": "error",
  "no-self-compare": "error",
  "no-constant-binary-expression": "error",
  "no-constant-condition": ["error", { checkLoops: "allExceptWhileTrue" }],
  "no-fallthrough": "error",
  "no-useless-escape": "error",
  "no-unsafe-finally": "error",
  "no-var": "error",
  "object-shorthand": "error",
  "prefer-const": "error",
  eqeqeq: "error",
};

export default tseslint.config(
  {
    ignores: [
      "dist/**",
      "dist.tmp-*/**",
      "coverage/**",
      "build/**",
      "docs/.vitepress/cache/**",
      "**/*.generated.ts",
      "**/*.d.{ts,mts}",
      // Programs in the language of tsbpf, which the compiler itself judges.
      "programs/*.ts",
      "templates/**",
      "tests/bench/equal-work/**",
      "tests/errors/cases/**",
      "tests/types/{accepted,mistakes,left-to-compiler}/**",
    ],
  },
  {
    plugins: { tsbpf: { rules: { "import-groups": importGroups } } },
    linterOptions: { reportUnusedDisableDirectives: "error" },
  },
  {
    files: ["**/*.{js,mjs,cjs}"],
    rules: { ...rules, "no-unused-vars": ["error", { varsIgnorePattern: "^_" }], "no-undef": "off" },
  },
  {
    files: ["**/*.ts"],
    extends: [tseslint.configs.base],
    languageOptions: {
      parserOptions: {
        project: ["tsconfig.json", "programs/test/tsconfig.json", "runtime/playground/tsconfig.json"],
        tsconfigRootDir: import.meta.dirname,
      },
    },
    rules: {
      ...rules,
      // A promise that nobody waits for loses its error.
      "@typescript-eslint/no-floating-promises": "error",
      "@typescript-eslint/no-misused-promises": "error",
      "@typescript-eslint/await-thenable": "error",
      "@typescript-eslint/return-await": "error",
      "@typescript-eslint/only-throw-error": "error",
      "@typescript-eslint/prefer-promise-reject-errors": "error",
      // Who adds a member to a union is told where it must be handled. A default says that the rest is alike.
      "@typescript-eslint/switch-exhaustiveness-check": ["error", { considerDefaultExhaustiveForUnions: true }],
      "@typescript-eslint/no-unused-vars": ["error", { argsIgnorePattern: "^_", varsIgnorePattern: "^_" }],
      "@typescript-eslint/no-unused-expressions": "error",
      "@typescript-eslint/consistent-type-imports": [
        "error",
        { fixStyle: "inline-type-imports", disallowTypeAnnotations: false },
      ],
      "@typescript-eslint/no-import-type-side-effects": "error",
      "@typescript-eslint/no-explicit-any": "error",
      "@typescript-eslint/no-unnecessary-type-assertion": "error",
      "@typescript-eslint/no-unnecessary-boolean-literal-compare": "error",
      "@typescript-eslint/no-unnecessary-template-expression": "error",
      "@typescript-eslint/no-array-delete": "error",
      "@typescript-eslint/no-for-in-array": "error",
      "@typescript-eslint/no-implied-eval": "error",
      "@typescript-eslint/require-array-sort-compare": "error",
      "@typescript-eslint/restrict-plus-operands": "error",
      "@typescript-eslint/prefer-find": "error",
      "@typescript-eslint/prefer-includes": "error",
      "@typescript-eslint/prefer-readonly": "error",
      "@typescript-eslint/prefer-string-starts-ends-with": "error",
    },
  },
);
