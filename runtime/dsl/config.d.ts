// tsbpf/config: the project file, `tsbpf.config.ts`, and the file of a service, for `tsbpf serve`. They are read and not run: objects of literals.

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

/** What `tsbpf serve` keeps running. The same as JSON, in a file that ends in .json, is read as well. */
export interface Service {
  /** The programs, by names of one's own; a name is also that of the pins. */
  readonly programs: Readonly<Record<string, ServedProgram>>;
  /**
   * What is attached stays so when the service ends, and the next start takes it over: no segment goes without its program
   * meanwhile. Default: false.
   */
  readonly keep?: boolean;
  /** The control socket. Default: `serve.sock` in the directory of records, /run/tsbpf. */
  readonly socket?: string;
  /** Directory on a bpffs for pins. Default: "/sys/fs/bpf/tsbpf". */
  readonly pins?: string;
  /** What goes into the log, at least. Default: "info". */
  readonly log?: "error" | "warning" | "notice" | "info" | "debug";
  /** Numbers for Prometheus, at /metrics. Default: none. */
  readonly metrics?: ServedMetrics;
}
/** Where a service tells its numbers. Whoever reaches the place may read them. */
export interface ServedMetrics {
  /** An address and a port, a port of the loopback address, or the path of a Unix socket. Default: "127.0.0.1:9961". */
  readonly listen?: string;
  /** Has the kernel count runs of programs and their time for as long as the service runs, which costs each run a little. Default: false. */
  readonly stats?: boolean;
}
/** A program of a service. It is attached to a cgroup or, a path manager over netlink, manages a network namespace. */
export interface ServedProgram {
  /** TypeScript source or BPF object, relative to the file of the service. */
  readonly file: string;
  /**
   * Cgroup-v2 directory to attach to, from the root of the hierarchy: "system.slice/nginx.service". With `*` and `?`, which stand for
   * what is within one name, all that there are and that come: "system.slice/docker-*.scope". Each gets a program with maps of its
   * own, called by the program's name and what the pattern left open: "web@docker-1f2e.scope".
   */
  readonly cgroup?: string;
  /** Network namespace whose addresses and sessions count: a name, a path or a process id. */
  readonly netns?: string;
  /** Where a path manager runs. Default: what the kernel has. */
  readonly backend?: "kernel" | "netlink";
  /** Values of params, by name; as text they are read as on the command line: "10.0.0.1", "18446744073709551615". */
  readonly params?: Readonly<Record<string, ParamValue>>;
  /** Kernel to compile a source for. Default: follows from the imports. */
  readonly target?: "mainline" | "patched";
  /**
   * When the cgroup or the namespace is not there, or goes: the service ends with the reason, or waits for it to come and attaches
   * again, with what is in the maps. Default: "exit"; a pattern always waits.
   */
  readonly whenGone?: "exit" | "wait";
}
/** What a param may be set to. */
export type ParamValue =
  string | number | boolean | readonly ParamValue[] | { readonly [member: string]: ParamValue };
/** Says what the editor offers and checks: `export default defineService({ programs: { web: { file: "web.ts", cgroup: "web.slice" } } });` */
export declare function defineService(service: Service): Service;
