import { ArrayMap, license, struct, u32 } from "tsbpf";
import { sockOps } from "tsbpf/tcp";
license("GPL");
class S extends struct({ a: u32 }) {}
export const m = new ArrayMap({ value: S, maxEntries: 4 });
function f0(x: u32): u32 { return f1(x) + f1(x + 1); }
function f1(x: u32): u32 { return f2(x) + f2(x + 1); }
function f2(x: u32): u32 { return f3(x) + f3(x + 1); }
function f3(x: u32): u32 { return f4(x) + f4(x + 1); }
function f4(x: u32): u32 { return f5(x) + f5(x + 1); }
function f5(x: u32): u32 { return f6(x) + f6(x + 1); }
function f6(x: u32): u32 { return f7(x) + f7(x + 1); }
function f7(x: u32): u32 { return f8(x) + f8(x + 1); }
function f8(x: u32): u32 { return f9(x) + f9(x + 1); }
function f9(x: u32): u32 { return f10(x) + f10(x + 1); }
function f10(x: u32): u32 { return f11(x) + f11(x + 1); }
function f11(x: u32): u32 { return f12(x) + f12(x + 1); }
function f12(x: u32): u32 { return f13(x) + f13(x + 1); }
function f13(x: u32): u32 { return f14(x) + f14(x + 1); }
function f14(x: u32): u32 { return f15(x) + f15(x + 1); }
function f15(x: u32): u32 { return x; }
export const p = sockOps((ctx) => {
  m.get(0).a = f0(ctx.mss); //~ calls-too-large
  return 1;
});
