/** Where the kernel's record and the model's differ, by the classes of the table. */
import { FIELDS, type FieldName } from "./program.ts";
import type { Recorded, Sides } from "./session.ts";

const STATE_EVENT = 10;
/** TCP_NEW_SYN_RECV */
const REQUEST = 12;
const AF_INET6 = 10;
const IPV4: ReadonlySet<string> = new Set(["localIp4", "remoteIp4"]);
const NAMES: Readonly<Record<number, string>> = { 4: "established", 5: "established" };

/** One kind of event: which, in which state, and for a change of state from where to where. */
export const kindOf = (one: Recorded): string =>
  one.op === STATE_EVENT ? `op 10 from ${one.arg0} to ${one.arg1}` : `op ${one.op} in state ${String(one["state"])}`;

/** The first event of each kind, in order. */
function firsts(records: readonly Recorded[]): Map<string, Recorded> {
  const found = new Map<string, Recorded>();
  for (const one of records) if (!found.has(kindOf(one))) found.set(kindOf(one), one);
  return found;
}
/**
 * Kinds that come or not as time will have it: an acknowledgement that goes by itself between the peer's FIN and the
 * application's, and what it brings to the other side. By mainline's numbers, and by the patched kernel's.
 */
const TIMING = [/^op (?:1[45]|6[45]) in state 8$/, /^op (?:13|66) in state 5$/];

const text = (value: unknown): string => (Array.isArray(value) ? value.join(".") : String(value));
const isZero = (value: unknown): boolean => Number(value) === 0;
const distance = (value: unknown, from: unknown): number => (Number(value) - Number(from)) | 0;

export function differences({ client, server }: Sides, model: Sides): string[] {
  return [...compare("client", client, model.client), ...compare("server", server, model.server)];
}

function compare(side: string, kernel: readonly Recorded[], model: readonly Recorded[]): string[] {
  const problems: string[] = [];
  const theirs = firsts(kernel);
  const ours = firsts(model);
  const order = (kinds: Iterable<string>): string[] =>
    [...kinds].filter((kind) => !TIMING.some((pattern) => pattern.test(kind)));
  const [wanted, found] = [order(theirs.keys()), order(ours.keys())];
  if (wanted.join() !== found.join())
    problems.push(`${side}: events\n  kernel ${wanted.join(", ")}\n  model  ${found.join(", ")}`);
  const base = (records: readonly Recorded[]): Recorded | undefined => records.find((one) => NAMES[one.op]);
  const [kernelBase, modelBase] = [base(kernel), base(model)];
  for (const [kind, k] of theirs) {
    const m = ours.get(kind);
    if (!m) continue;
    const differ = (name: string): void =>
      void problems.push(`${side}, ${kind}: ${name} is ${text(k[name])} in the kernel, ${text(m[name])} in the model`);
    for (const name of Object.keys(k)) {
      const how = FIELDS[name as FieldName] ?? "same";
      // Read of whatever socket there is; of a request they are what lies there in memory.
      if (k["state"] === REQUEST && (name === "rttMinUs" || (k["family"] === AF_INET6 && IPV4.has(name)))) continue;
      if (how === "same" ? text(k[name]) !== text(m[name]) : how !== "grows" && isZero(k[name]) !== isZero(m[name]))
        differ(name);
      else if (how === "distance" && !isZero(k[name])) {
        if (distance(k[name], kernelBase?.[name]) !== distance(m[name], modelBase?.[name])) differ(name);
      }
    }
  }
  for (const [whose, records] of [
    ["kernel", kernel],
    ["model", model],
  ] as const)
    for (const name of Object.keys(FIELDS) as FieldName[])
      if (FIELDS[name] === "grows" && fell(records.map((one) => Number(one[name]))))
        problems.push(`${side}: ${name} falls in the ${whose}`);
  return problems;
}
/** A socket of its own begins at 0: what a listener or a request says before is another's. */
const fell = (values: readonly number[]): boolean =>
  values.some((value, index) => index > 0 && value !== 0 && value < values[index - 1]!);
