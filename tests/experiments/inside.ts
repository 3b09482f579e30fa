/** Runs inside the virtual machine: the task of guest.ts, left in a folder. usage: node inside.mjs FOLDER */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { openLab } from "../runtime/lab.ts";
import { environment } from "./environment.ts";
import { EXPERIMENTS } from "./table.ts";
import { TASK, type Finding, type Task } from "./task.ts";

const folder = process.argv[2]!;
const { experiment, steps, options } = JSON.parse(readFileSync(join(folder, TASK), "utf8")) as Task;
const lab = openLab();
try {
  const rig = await EXPERIMENTS.find((one) => one.name === experiment)!.open(lab, options, folder);
  const here = environment(false);
  for (const step of steps) {
    const finding: Finding = { step, measured: await rig.measure(step), environment: here };
    console.log(JSON.stringify(finding));
  }
} finally {
  lab.close();
}
process.exit(0);
