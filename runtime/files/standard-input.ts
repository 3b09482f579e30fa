/** All of standard input, up to a bound. */
import { trouble } from "./files.ts";

/** Throws TroubleError when there are more than `limit` bytes. */
export async function readStandardInput(limit: number): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of process.stdin) {
    size += (chunk as Buffer).length;
    if (size > limit) throw trouble("input-too-large", `standard input is longer than ${limit} bytes`);
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks);
}
