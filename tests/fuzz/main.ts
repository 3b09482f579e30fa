/** `npm run test:fuzz:segments -- COUNT [SEED]`: so many hostile segments, spread over all programs that read options; says how many a second. */
import { parsers, storm } from "./segments.ts";

const count = Number(process.argv[2] ?? 10_000_000);
const seed = Number(process.argv[3] ?? 1);
/** Each in turn, so that an end by hand leaves none out. */
const ROUND = 20_000;

const found = await parsers();
const started = process.hrtime.bigint();
let sent = 0;
for (let round = 0; sent < count; round++)
  for (const one of found) {
    const some = Math.min(ROUND, count - sent);
    if (some <= 0) break;
    storm(one, some, seed + round);
    sent += some;
    const seconds = Number(process.hrtime.bigint() - started) / 1e9;
    console.log(`${sent} segments, ${Math.round(sent / seconds)} per second: ${one.name} on ${one.target}`);
  }
