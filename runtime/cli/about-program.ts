/** Errors of one program of a service's file, of what it is read from as well. */
import { TroubleError } from "../files/files.ts";
import { aboutOne } from "../service/about-one.ts";

/** Takes a step for one program. What it throws has the program's name before its message. */
export function aboutProgram<T>(program: { readonly name: string }, step: () => T): T {
  try {
    return aboutOne(program, step);
  } catch (error) {
    if (!(error instanceof TroubleError)) throw error;
    throw new TroubleError({ ...error.trouble, message: `${program.name}: ${error.message}` });
  }
}
