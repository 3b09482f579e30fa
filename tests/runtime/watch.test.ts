// Lines of the trace pipe as `log` wrote them.
import { describe, expect, it } from "vitest";
import { logLines } from "../../runtime/cli/watch.ts";

const line = (text: string, writer = "bpf_trace_printk", task = "           <...>-1234 "): string =>
  `${task}   [001] b..1.  5433.123456: ${writer}: ${text}\n`;

function texts(...chunks: readonly string[]): string[] {
  const found: string[] = [];
  const lines = logLines((text) => found.push(text));
  for (const chunk of chunks) lines.take(chunk);
  lines.flush();
  return found;
}

describe("lines of the trace pipe", () => {
  it("keep what comes after a line break, also an empty line", () => {
    expect(texts(line("one\ntwo\n") + line("three"))).toEqual(["one\ntwo\n", "three"]);
  });
  it("are told apart from those of others, and of lost ones", () => {
    expect(
      texts(
        line("a") +
          line("mark", "tracing_mark_write") +
          "CPU:1 [LOST 12 EVENTS]\n" +
          line("b") +
          "CPU:0 [LOST 1 EVENTS]\n",
      ),
    ).toEqual(["a", "b"]);
  });
  it("come whole, however they are cut", () => {
    const whole = line("first\nsecond") + line("third", undefined, "      a b: c-77    (     77)");
    for (let at = 0; at < whole.length; at += 7)
      expect(texts(whole.slice(0, at), whole.slice(at))).toEqual(["first\nsecond", "third"]);
  });
});
