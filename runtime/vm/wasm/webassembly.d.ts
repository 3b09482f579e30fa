/** The part of the WebAssembly JavaScript interface that the translator uses; TypeScript has it in the browser's library only. */
declare namespace WebAssembly {
  class Memory {
    constructor(limits: { readonly initial: number; readonly maximum?: number });
    readonly buffer: ArrayBuffer;
  }
  class Module {
    constructor(bytes: Uint8Array<ArrayBuffer>);
  }
  class Global {
    constructor(type: { readonly value: "i32" | "i64"; readonly mutable: boolean }, value: number | bigint);
    value: number | bigint;
  }
  class Instance {
    constructor(module: Module, imports: { readonly [module: string]: { readonly [name: string]: unknown } });
    readonly exports: { readonly [name: string]: unknown };
  }
}
