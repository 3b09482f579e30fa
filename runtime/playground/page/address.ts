/** What the address holds behind its #: the program and what was chosen, compressed. Browsers do not send it anywhere. */

export interface Kept {
  readonly text: string;
  readonly events?: string;
  readonly target?: string;
  readonly tab?: string;
}

const VERSION = "1.";

async function through(
  bytes: Uint8Array<ArrayBuffer>,
  stream: GenericTransformStream,
): Promise<Uint8Array<ArrayBuffer>> {
  const body = new Blob([bytes]).stream().pipeThrough(stream);
  return new Uint8Array(await new Response(body).arrayBuffer());
}

export async function pack(kept: Kept): Promise<string> {
  const bytes = await through(new TextEncoder().encode(JSON.stringify(kept)), new CompressionStream("deflate-raw"));
  let binary = "";
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return VERSION + btoa(binary).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");
}

/** Undefined where the text is not one that `pack` made. */
export async function unpack(text: string): Promise<Kept | undefined> {
  if (!text.startsWith(VERSION)) return undefined;
  try {
    const binary = atob(text.slice(VERSION.length).replaceAll("-", "+").replaceAll("_", "/"));
    const bytes = await through(
      Uint8Array.from(binary, (one) => one.charCodeAt(0)),
      new DecompressionStream("deflate-raw"),
    );
    const kept = JSON.parse(new TextDecoder().decode(bytes)) as Partial<Record<string, unknown>>;
    if (typeof kept["text"] !== "string") return undefined;
    const texts = Object.entries(kept).filter(([, value]) => typeof value === "string");
    return Object.fromEntries(texts) as unknown as Kept;
  } catch {
    return undefined;
  }
}
