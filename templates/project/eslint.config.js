import tseslint from "typescript-eslint";

export default tseslint.config({ ignores: ["out/"] }, tseslint.configs.recommended, {
  files: ["programs/**/*.ts"],
  rules: {
    // log`…` stands alone, and a turn of range() need not be looked at.
    "@typescript-eslint/no-unused-expressions": ["error", { allowTaggedTemplates: true }],
    "@typescript-eslint/no-unused-vars": ["error", { argsIgnorePattern: "^_", varsIgnorePattern: "^_" }],
  },
});
