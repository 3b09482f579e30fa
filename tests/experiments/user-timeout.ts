/** The user timeout option: how long a sender goes on when the path is cut, by what the receiver asked for. */
import { join } from "node:path";
import { load } from "../../runtime/api.ts";
import { pause, until, type Lab } from "../runtime/lab.ts";
import { interleaved, seriesOf, valuesOf, type Experiment, type Options, type Rig, type Sample } from "./experiment.ts";
import { estimate, median, short, shown } from "./statistics.ts";

/** Seconds that the client asks for; 0: it has no option. */
const asked = ({ quick }: Pick<Options, "quick">): readonly number[] => (quick ? [0, 1, 5] : [0, 1, 5, 10, 60]);
/** How long a sender without the option is watched. */
const watched = ({ quick }: Options): number => (quick ? 8 : 90);
/** Connections that are cut at once. */
const CONNECTIONS = 8;
const SOL_TCP = 6;
const TCP_USER_TIMEOUT = 18;
const nameOf = (seconds: number): string => (seconds === 0 ? "no option" : `${seconds} s`);
const secondsOf = (variant: string): number => (variant === "no option" ? 0 : Number.parseInt(variant, 10));

async function open(lab: Lab, options: Options, folder: string): Promise<Rig> {
  const [c, r, s] = [lab.netns("c"), lab.netns("r"), lab.netns("s")];
  lab.wire(c, "v0", ["10.95.1.1/24"], r, "v1", ["10.95.1.2/24"]);
  lab.wire(s, "v0", ["10.95.2.1/24"], r, "v2", ["10.95.2.2/24"]);
  lab.ip(c, "route", "add", "10.95.2.0/24", "via", "10.95.1.2");
  lab.ip(s, "route", "add", "10.95.1.0/24", "via", "10.95.2.2");
  lab.inside(r, "sysctl", "-qw", "net.ipv4.ip_forward=1");
  const groups = [lab.cgroup("client"), lab.cgroup("server")] as const;
  const [client, server] = [await lab.peer(c, groups[0]), await lab.peer(s, groups[1])];
  await server.call("listen", { host: "10.95.2.1", port: 7000 });

  return {
    async measure({ variant }) {
      const seconds = secondsOf(variant);
      const object =
        seconds === 0 ? undefined : load(join(folder, "user-timeout.o"), { params: { timeoutSeconds: seconds } });
      for (const group of groups) object?.attach(group);
      try {
        const before = server.accepted.length;
        const ours: number[] = [];
        for (let one = 0; one < CONNECTIONS; one++) {
          const id = await client.call<number>("connect", { host: "10.95.2.1", port: 7000 });
          // The option is on the first segments of the client's.
          await client.call("send", { id, length: 100 });
          ours.push(id);
        }
        await until("all connections accepted", () => server.accepted.length === before + CONNECTIONS);
        const senders = server.accepted.slice(before);
        for (const id of senders) await server.call("send", { id, length: 20_000 });
        for (const id of ours)
          await until(
            "data received",
            async () => (await client.call<{ received: number }>("state", { id })).received === 20_000,
          );
        const { bytes } = await server.call<{ bytes: readonly number[] }>("getsockopt", {
          id: senders[0],
          level: SOL_TCP,
          option: TCP_USER_TIMEOUT,
        });
        lab.ip(r, "route", "add", "blackhole", "10.95.1.1/32");
        const cut = performance.now();
        for (const id of senders) await server.call("send", { id, length: 20_000 });
        const gaveUp = new Map<number, number>();
        const end = cut + 1000 * (seconds === 0 ? watched(options) : seconds * 1.5 + 5);
        while (gaveUp.size < CONNECTIONS && performance.now() < end) {
          for (const id of senders)
            if (!gaveUp.has(id) && (await server.call<{ ended: boolean }>("state", { id })).ended)
              gaveUp.set(id, (performance.now() - cut) / 1000);
          await pause(10);
        }
        for (const id of senders) await server.call("reset", { id });
        lab.ip(r, "route", "del", "blackhole", "10.95.1.1/32");
        for (const id of ours) await client.call("reset", { id });
        return {
          metrics: {
            readMs: Buffer.from(bytes).readUInt32LE(0),
            gaveUp: gaveUp.size,
            goingOn: CONNECTIONS - gaveUp.size,
            watchedSeconds: (performance.now() - cut) / 1000,
          },
          series: { seconds: [...gaveUp.values()] },
        };
      } finally {
        object?.close();
      }
    },
  };
}

const variantsOf = (samples: readonly Sample[]): string[] =>
  [...new Set(samples.map((one) => one.variant))].toSorted((a, b) => secondsOf(a) - secondsOf(b));
const total = (samples: readonly Sample[], variant: string, metric: string): number =>
  valuesOf(samples, variant, metric).reduce((sum, one) => sum + one, 0);

export const userTimeout: Experiment = {
  name: "user-timeout",
  title: "User timeout: when a sender gives up, as the receiver asked by option",
  about:
    `A router between client and server begins to drop what goes to the client, without a word, just before the server sends 20 KB on each of ${CONNECTIONS} connections. ` +
    "The time runs until the server's socket has failed; the value is read back from that socket by getsockopt.",
  where: "here",
  tools: ["ip", "nsenter"],
  paper: [],
  steps: (options) =>
    interleaved(asked(options).map(nameOf), options.runs ?? (options.quick ? 1 : 5), (variant) =>
      variant === "no option" ? watched(options) + 1 : secondsOf(variant) * 1.1 + 1,
    ),
  async prepare(folder) {
    const { compileInto } = await import("./objects.ts");
    compileInto(folder, "user-timeout", "mainline");
  },
  open,
  figures: (samples) => [
    {
      kind: "intervals",
      title: "Time until the sender gives up",
      x: "seconds",
      logarithmic: true,
      rows: variantsOf(samples)
        .filter((variant) => seriesOf(samples, variant, "seconds").length > 0)
        .flatMap((variant) => {
          const { value, low, high } = estimate(seriesOf(samples, variant, "seconds"));
          return [
            { name: variant, series: "measured", value, low, high },
            { name: variant, series: "asked for", value: secondsOf(variant) },
          ];
        }),
    },
  ],
  table: (samples) =>
    variantsOf(samples).map((variant) => {
      const [ended, going] = [total(samples, variant, "gaveUp"), total(samples, variant, "goingOn")];
      const read = [...new Set(valuesOf(samples, variant, "readMs"))].map((ms) => `${ms} ms`).join(", ");
      const watch = short(median(valuesOf(samples, variant, "watchedSeconds")));
      return {
        what: variant,
        ours:
          (ended > 0 ? shown(estimate(seriesOf(samples, variant, "seconds")), " s") : "") +
          (going > 0 ? `${going} of ${going + ended} went on for all of the ${watch} s that they were watched` : "") +
          `; the sender's socket says ${read}`,
      };
    }),
  verdict(samples) {
    const wrong = variantsOf(samples).filter((variant) => {
      const seconds = secondsOf(variant);
      if (valuesOf(samples, variant, "readMs").some((ms) => ms !== seconds * 1000)) return true;
      if (seconds === 0) return total(samples, variant, "gaveUp") > 0;
      const { value, count } = estimate(seriesOf(samples, variant, "seconds"));
      return count === 0 || Math.abs(value - seconds) > 0.5 + 0.1 * seconds;
    });
    const quick = samples.some((one) => one.quick);
    const missing = asked({ quick })
      .map(nameOf)
      .filter((name) => !variantsOf(samples).includes(name));
    if (missing.length > 0) return { reproduced: undefined, because: `not measured: ${missing.join(", ")}.` };
    const [least, most] = [variantsOf(samples).find((one) => secondsOf(one) > 0), variantsOf(samples).at(-1)];
    return {
      reproduced: wrong.length === 0,
      because:
        wrong.length === 0
          ? `from ${least} to ${most}, senders give up when the receiver asked them to, within half a second and a tenth, and without the option they go on.`
          : `senders do not give up when they were asked to: ${wrong.join(", ")}.`,
    };
  },
};
