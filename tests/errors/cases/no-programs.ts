import { license, type u32 } from "tsbpf"; //~ no-programs
license("GPL");
export const limit: u32 = 3;
