/** The same session, played to the model: the recorder in the virtual machine, driven by tsbpf/testing. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { release } from "node:os";
import { join } from "node:path";
import { isRange, kernels, type TargetName } from "../../../compiler/bpf/kernels.ts";
import { htons, ipv4 } from "../../../runtime/dsl/index.ts";
import { hostOrder } from "../../../runtime/dsl/network-order.ts";
import { connect } from "../../../runtime/testing/network.ts";
import { load } from "../../../runtime/testing/load.ts";
import type { ProgramView } from "../../../runtime/testing/program-view.ts";
import { repository } from "../repository.ts";
import { createHost } from "../../../runtime/testing/host.ts";
import { limitsSource, resultCount, VALUES } from "./limits.ts";
import { recorderSource } from "./program.ts";
import { SESSION, type Recorded, type Session, type Sides } from "./session.ts";

interface Module {
  readonly recorder: ProgramView;
  readonly records: { records(): Record<string, unknown>[] };
}
/** Network order as the runtime's codec gives it: a number in host order. */
const plain = (value: unknown): unknown =>
  typeof value === "symbol"
    ? Number(hostOrder(32, value) ?? hostOrder(16, value))
    : Array.isArray(value)
      ? value.map(plain)
      : value;

/** Loads a source text on the model. */
export async function open<T>(name: string, text: string, target: TargetName, host = createHost()): Promise<T> {
  const cache = join(repository, "node_modules/.cache");
  mkdirSync(cache, { recursive: true });
  const folder = mkdtempSync(join(cache, "recorder-"));
  try {
    const path = join(folder, `${name}.ts`);
    writeFileSync(path, text);
    const kernel = isRange(kernels[target]) ? (`linux-${release()}` as const) : target;
    return (await load(path, { target: kernel, host })) as unknown as T;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** The recorder on the model, and what it wrote so far. */
export async function openRecorder(target: TargetName): Promise<{ recorder: ProgramView; records: () => Recorded[] }> {
  const { recorder, records } = await open<Module>("recorder", recorderSource(target), target);
  const taken = (): Recorded[] =>
    records
      .records()
      .map(
        (record) => Object.fromEntries(Object.entries(record).map(([name, value]) => [name, plain(value)])) as never,
      );
  return { recorder, records: taken };
}

/** `lost`: how many times the client's timer fires before its data gets through. */
export async function recordModel(target: TargetName, session: Session, lost = 0): Promise<Sides> {
  const sides = { client: await openRecorder(target), server: await openRecorder(target) };
  const { ipv4: short, ipv6: long } = SESSION;
  const addresses =
    session.family === "ipv4"
      ? { localIp4: ipv4(short.client), remoteIp4: ipv4(short.server) }
      : { localIp6: long.client, remoteIp6: long.server };
  let losing = lost;
  const client = sides.client.recorder.on({
    ...addresses,
    localPort: SESSION.clientPort,
    remotePort: htons(SESSION.serverPort),
  });
  const pass = ({ from, payload }: { from: string; payload: number }): boolean =>
    from !== "client" || payload === 0 || losing-- <= 0;
  const network = connect(client, sides.server.recorder, { pass });
  network.open();
  network.transfer("client", SESSION.asked);
  network.transfer("server", SESSION.answered);
  network.close();
  return { client: sides.client.records(), server: sides.server.records() };
}

/** What the model answers to every value, with a clock of `hz` ticks a second. */
export async function limitsOfModel(target: TargetName, hz: number, controls: readonly string[]): Promise<number[]> {
  const host = createHost({ hz, congestionControls: controls });
  const { limits, values, results } = await open<{
    limits: ProgramView;
    values: { set(key: number, value: number): void };
    results: { get(key: number): number };
  }>("limits", limitsSource(target), target, host);
  VALUES.forEach((value, index) => values.set(index, value));
  limits.established("client");
  return Array.from({ length: resultCount(target) }, (_, index) => results.get(index));
}
