// tsbpf/config: the project file, `tsbpf.config.ts`. It is read and not run: an object of literals.

/** What `tsbpf build` and `tsbpf check` do in a project; an option on the command line goes before. Paths are relative to the project file. */
export interface Config {
  /**
   * The programs, as files, folders or patterns with `*`, `?` and `**`, as in the `include` of a tsconfig.json. Tests
   * (`*.test.ts`, `*.spec.ts`) and declarations are never taken. Default: `["programs"]`.
   */
  readonly sources?: readonly string[];
  /** Folder for the objects. Default: the folder that the command runs in. */
  readonly out?: string;
  /** Kernel to compile for. Default: follows from the imports. */
  readonly target?: "mainline" | "patched";
  /** Oldest release of Linux that must take the objects, such as "6.1". Default: the target's. */
  readonly kernel?: `${number}.${number}`;
  /** File with the kernel's types (BTF), such as "/sys/kernel/btf/vmlinux". Default: an extract of Linux 6.18. */
  readonly btf?: string;
  /** Most instructions of one program. Default: 4096. */
  readonly maxInsns?: number;
  /** Warnings are errors. Default: false. */
  readonly strict?: boolean;
  /** Write a .d.ts with the types of maps and params beside each object. Default: false. */
  readonly types?: boolean;
  /** Folder below which imports may lie. Default: that of the nearest package.json, tsconfig.json or project file. */
  readonly root?: string;
}
/** Says what the editor offers and checks: `export default defineConfig({ sources: ["programs/*.ts"], out: "dist" });` */
export declare function defineConfig(config: Config): Config;
