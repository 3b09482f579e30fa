/** Runs generated programs in the running kernel: they touch nothing but maps, so any program type with a test run will do. */
import type { BpfModule } from "../../compiler/module.ts";
import { sizeOf, type Layout } from "../../compiler/layout.ts";
import { ATTR, BPF } from "../../runtime/kernel/abi.ts";
import { attrBlock, call } from "../../runtime/kernel/bpf.ts";
import { loadModule } from "../../runtime/kernel/load.ts";
import type { Runner } from "./run.ts";

const bytesOf = (layout: Layout): Layout => ({
  kind: "array",
  of: { kind: "int", bits: 8, signed: false },
  length: sizeOf(layout),
});

/** The same instructions as a program of type sched_cls, with maps of bytes. */
export function asClassifier(module: BpfModule): BpfModule {
  return {
    ...module,
    needs: [],
    maps: module.maps.map((map) => ({ ...map, ...(map.value ? { value: bytesOf(map.value) } : {}) })),
    programs: module.programs.map((program) => ({ ...program, section: "tc", type: "sched_cls", attachType: 0 })),
  };
}

/** Throws what the loader throws when the kernel refuses the program. */
export function kernelRunner(module: BpfModule, program: string): Runner {
  const loaded = loadModule(asClassifier(module));
  const packet = new Uint8Array(64);
  const map = (name: string) => loaded.maps[name]!;
  const key = (bytes: Uint8Array): number => new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
  return {
    write: (name, at, value) => map(name).set(key(at), Array.from(value)),
    read: (name) =>
      [...map(name).entries()].map(([at, value]) => {
        const bytes = new Uint8Array(4);
        new DataView(bytes.buffer).setUint32(0, at as number, true);
        return { key: bytes, value: Uint8Array.from(value as unknown as ArrayLike<number>) };
      }),
    // Globals are read where the evaluator is compared with the virtual machine.
    global: () => undefined,
    run() {
      const block = attrBlock("testRun", {
        prog_fd: loaded.programs[program]!.fd,
        data_in: packet,
        data_size_in: packet.length,
      });
      const result = call(BPF.progTestRun, block);
      if (result < 0) return `test run failed with ${result}`;
      const returned = block.view.getUint32(ATTR.testRun.retval[0], true);
      return returned === 1 ? undefined : `returned ${returned}`;
    },
    close: () => loaded.close(),
  };
}

/** Why nothing can be loaded here, or undefined. */
export function canLoad(): string | undefined {
  if (process.getuid?.() !== 0) return "not root";
  const exit: BpfModule["programs"][number]["insns"] = [
    { code: 0xb7, dst: 0, src: 0, off: 0, imm: 1 },
    { code: 0x95, dst: 0, src: 0, off: 0, imm: 0 },
  ];
  try {
    loadModule({
      license: "GPL",
      target: "mainline",
      needs: [],
      maps: [],
      globals: [],
      sources: [],
      programs: [
        {
          name: "probe",
          section: "tc",
          type: "sched_cls",
          attachType: 0,
          insns: exit,
          relocations: [],
          lines: [],
          functions: [{ name: "probe", slot: 0 }],
          stack: 0,
        },
      ],
    }).close();
    return undefined;
  } catch (error) {
    return error instanceof Error ? error.message.split("\n")[0] : String(error);
  }
}
