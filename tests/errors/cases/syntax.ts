import { license } from "tsbpf";
license("GPL";  //~ syntax
export const a = ;  //~ syntax
