/** The visitors that `visit.ts` reaches. Only the start of the frontend imports this. */
import { evaluate } from "./declare.ts";
import { asBoolean, entityOperand, expression, link } from "./expressions.ts";
import { statement } from "./statements.ts";
import type { Visitors } from "./visit.ts";

export const VISITORS: Visitors = { expression, asBoolean, entityOperand, link, statement, evaluate };
