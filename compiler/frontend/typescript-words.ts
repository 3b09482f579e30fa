/** The checker's frequent errors in the language's words. */
import { ts } from "ts-morph";
import type { ModuleState } from "./module-state.ts";
import { LANGUAGE_MODULES, type LanguageModule } from "./project.ts";
import { CC_NAMES } from "./annotations.ts";

export interface Words {
  readonly message: string;
  readonly help?: string;
  /**
   * What the remedy changes: the value that does not fit, the marked word; or it adds a test that what is marked, or that value, is
   * there, or an import.
   */
  readonly mend?:
    { readonly what: "value" | "word" | "test" | "test-value" } | { readonly what: "import"; readonly name: string };
}
/** What the words are about, beside TypeScript's own. */
export interface About extends Pick<ModuleState, "exportsOf" | "eventsOf"> {
  /** The test that says that what is marked is there. */
  readonly test?: string;
  /** The text of what is marked, where it gets an integer from a map. */
  readonly get?: string;
}
type Reword = (text: string, whole: string, about: About) => Words | undefined;

const INTEGER = /^(u8|u16|u32|u64|i32|i64)$/;
const NETWORK = /^be(16|32|64)$/;

/** "Type 'A' is not assignable to type 'B'", and the same of an argument. */
const notAssignable: Reword = (text, whole) => {
  const found = /(?:Type|Argument of type) '(.+)' is not assignable to (?:type|parameter of type) '(.+)'/s.exec(text);
  if (!found) return undefined;
  const [, from = "", whatever = ""] = found;
  // A field that may be left out.
  const to = whatever.replace(/^(\w+) \| undefined$/, (all, name: string) => (INTEGER.test(name) ? name : all));
  const missing =
    /Property '(\w+)' is missing in type/.exec(whole) ??
    /missing the following properties from type '[^']*': ([\w, ]+)/.exec(whole);
  if (to.startsWith("(this: void")) return handlerMismatch(from, to);
  if (INTEGER.test(from) && INTEGER.test(to)) {
    if (from.startsWith("i") && to.startsWith("u"))
      return {
        message: `${from} may be negative, ${to} cannot hold that`,
        help: `declare it ${from}, or cast on purpose: ${to}(…)`,
        mend: { what: "value" },
      };
    return {
      message: `${from} may not fit ${to}`,
      help: `keep the low bits on purpose: ${to}(…)`,
      mend: { what: "value" },
    };
  }
  if (NETWORK.test(to))
    return {
      message: `expected ${to}, found ${from}`,
      help: `convert it: ${to === "be16" ? "htons" : to === "be32" ? "htonl" : "htonll"}(…)`,
      ...(INTEGER.test(from) || from === "number" ? { mend: { what: "value" } as const } : {}),
    };
  if (from.startsWith('"') && to.includes("CcName")) return congestionControl(from.slice(1, -1));
  if (missing && !missing[1]!.includes("["))
    return {
      message: `the record lacks ${missing[1]}`,
      help: `add it, or write new ${/^\w+$/.test(to) ? to : "S"}({ … }), which fills with zeros`,
    };
  if (to.includes("[a: Printable]") && !from.includes("undefined"))
    return {
      message: `log cannot print ${shorten(from.replace(/^\[(.*)\]$/, "$1"))}`,
      help: "print integers, booleans, addresses and ports",
    };
  if (to.includes("[a: Printable]"))
    return {
      message: "the value may be missing, and log has no word for that",
      help: "say what to print then: ${value ?? 0}, or test it first",
    };
  if (from.endsWith("| undefined") && !to.includes("undefined"))
    return {
      message: `the value may be undefined, ${to} is expected`,
      help: "test it first: if (value === undefined) return;",
      mend: { what: "test-value" },
    };
  return { message: `expected ${shorten(to)}, found ${shorten(from)}` };
};
const shorten = (text: string): string => (text.length > 80 ? `${text.slice(0, 77)}…` : text);

function congestionControl(name: string): Words {
  const near = CC_NAMES.find((one) => one.startsWith(name.charAt(0)) && Math.abs(one.length - name.length) <= 1);
  return {
    message: `the kernel has no congestion control called ${JSON.stringify(name)}`,
    help: near ? `write ${JSON.stringify(near)}` : `use ${CC_NAMES.slice(0, 5).join(", ")}, …, or a cstring(16)`,
  };
}

/** A handler of the wrong shape: too many parameters, or a value where none is expected. */
function handlerMismatch(from: string, to: string): Words {
  const parameters = (signature: string): string[] => {
    const inner = signature.slice(signature.indexOf("(") + 1, signature.lastIndexOf(") =>"));
    return inner.split(/, (?=[\w?]+:)/).filter((one) => one !== "" && !one.startsWith("this:"));
  };
  const returned = from.slice(from.lastIndexOf("=> ") + 3);
  if (parameters(from).length > parameters(to).length) {
    const known = parameters(to).map((one) => one.split(":")[0]);
    return {
      message: `the handler is given ${known.length === 1 ? `one value, ${known[0]}` : `${known.length} values: ${known.join(", ")}`}`,
      help: "remove the other parameters",
    };
  }
  if (/=> (undefined|void| \| )+$/.test(to))
    return {
      message: `the handler returns ${returned}, but nothing looks at it`,
      help: "leave out the value: return;",
    };
  if (to.endsWith("=> 0 | 1")) {
    return returned.includes("undefined")
      ? { message: "a path ends without a result: the kernel wants 0 or 1", help: "end with return 1;" }
      : returned === "number"
        ? {
            message: "the program's result is a number: the kernel wants 0 or 1",
            help: "say it where the function is declared: function name(ctx: SockOpsCtx): 0 | 1",
          }
        : { message: `the program returns ${returned}: the kernel wants 0 or 1`, help: "return 1, or 0 to refuse" };
  }
  if (to.endsWith("=> boolean"))
    return /undefined|void/.test(returned)
      ? {
          message: "a path of the handler ends without true or false",
          help: "end it with return true; or return false;",
        }
      : {
          message: `the handler must return true or false, not ${returned}`,
          help: "return true to let it go on, false to refuse it",
        };
  const number = /=> (u8|u16|u32|i32|u64|i64)$/.exec(to)?.[1];
  if (number)
    return /undefined|void/.test(returned)
      ? { message: "a path of the handler ends without a number", help: `end it with return and a ${number}` }
      : { message: `the handler must return a ${number}, not ${returned}`, help: `convert it: ${number}(…)` };
  return { message: `the handler has another shape than ${shorten(to)}` };
}

const suggestion: Reword = (text) => {
  const found = /Did you mean (?:to write )?'(\w+)'/.exec(text);
  const name = /'(\w+)' does not exist/.exec(text)?.[1] ?? /[Cc]annot find name '(\w+)'/.exec(text)?.[1];
  return found && name
    ? { message: `there is no ${name}`, help: `write ${found[1]}`, mend: { what: "word" } }
    : undefined;
};

const undefinedValue: Reword = (text, _, { test, get }) => {
  const name = /^'(.+)' is possibly/.exec(text)?.[1];
  return name
    ? {
        message: `${name} may be undefined`,
        help: `test it first: ${test ?? `if (${name} === undefined) return;`}`,
        mend: { what: "test" },
      }
    : {
        message: "this may be undefined: nothing says that it is there",
        help:
          get !== undefined
            ? `say what counts where nothing is there: (${get} ?? 0), or test it first: ${test}`
            : test?.includes(".get(") || test?.includes(".ref(") || test?.includes("getOrCreate(")
              ? `test it first: ${test}`
              : "test it first, or use an index that is certainly below the length: range(n), i & mask",
        mend: { what: "test" },
      };
};

/** What people look for on a value. */
const STATICS: ReadonlyMap<string, string> = new Map([
  ["size", "write sizeOf(S)"],
  ["prototype", "a struct has fields and nothing else"],
]);

const noProperty: Reword = (text, _whole, state) => {
  const found = /Property '(\w+)' does not exist on type '(.+)'/s.exec(text);
  if (!found) return undefined;
  const [, name, type = ""] = found;
  const hint = /NotInBpf<"(.*)">/.exec(type)?.[1];
  if (hint) return { message: `${name} is not available in BPF`, help: hint };
  if (type === "typeof Op")
    return {
      message: `there is no event ${name} in this module`,
      help: /^Mptcp|^Options|^Parse/.test(name!)
        ? "import Op and sockOps from tsbpf/mptcp"
        : "see Op in the declarations",
    };
  const events = type.includes("Ctx") ? state.eventsOf(name!) : [];
  if (events.length > 0) {
    const list = events.map((one) => `Op.${one}`);
    return {
      message: `${name} is only there in ${list.join(" and ")}`,
      help: `compare ctx.op first: if (ctx.op === ${list[0]}) { … }, or in case ${list[0]} of a switch`,
    };
  }
  const structMember = STATICS.get(name!);
  return { message: `${shorten(type)} has no ${name}`, ...(structMember ? { help: structMember } : {}) };
};

const noExport: Reword = (text, _, state) => {
  const found = /Module '"(.+)"' has no exported member '?(\w+)'?/.exec(text);
  if (!found) return undefined;
  const name = found[2]!;
  const home = state.exportsOf(name);
  return { message: `${found[1]} has no ${name}`, ...(home ? { help: `import it from ${home}` } : {}) };
};
const unknownName: Reword = (text, whole, state) => {
  const name = /Cannot find name '(\w+)'/.exec(text)?.[1];
  const home = name ? state.exportsOf(name) : undefined;
  if (name && home)
    return {
      message: `${name} is not imported`,
      help: `write import { ${name} } from "${home}";`,
      mend: { what: "import", name },
    };
  return suggestion(text, whole, state) ?? (name ? { message: `nothing is called ${name} here` } : undefined);
};

const ofOptional: Reword = () => ({
  message: "?. may find nothing, and what is assigned would have no place then",
  help: "test it first: if (entry) entry.field = …",
});

const say =
  (message: string, help?: string): Reword =>
  () => ({ message, ...(help === undefined ? {} : { help }) });

/** By TypeScript's number. */
const WORDS: Readonly<Record<number, Reword>> = {
  2304: unknownName,
  2305: noExport,
  2614: noExport,
  2322: notAssignable,
  2345: notAssignable,
  2741: notAssignable,
  2339: noProperty,
  2353: (text) => {
    const found = /'(\w+)' does not exist in type '(\w+)/.exec(text);
    return found
      ? {
          message: `${found[2]} has no ${found[1]}`,
          ...(/^(OptionHandlers|PathManager|Scheduler|CongestionControl)/.test(found[2]!)
            ? { help: "what lives longer than an event is a variable at the top level: let count: u32 = 0" }
            : {}),
        }
      : undefined;
  },
  2777: ofOptional,
  2779: ofOptional,
  2551: suggestion,
  2552: suggestion,
  2561: suggestion,
  2724: noExport,
  2367: say(
    "the two can never be equal: they are of different types",
    "convert one of them, or compare something else",
  ),
  2448: say("this is used before it is declared", "move the declaration up"),
  2454: say("this has no value on some path", "give it one where it is declared"),
  2532: undefinedValue,
  18047: undefinedValue,
  18048: undefinedValue,
  2588: say("a constant cannot be assigned", "declare it with let"),
  7006: (text) => ({
    message: `the parameter ${/'(.+)' implicitly/.exec(text)?.[1] ?? ""} needs a type`,
    help: "write its type: u32, TcpConn, …",
  }),
  7027: say("this code is never reached", "remove it, or the statement before it"),
  7029: say("this case runs on into the next one", "end it with break or return"),
  7030: say("a path ends without a result", "return a value on every path"),
  2366: say("a path ends without a result", "return a value on every path"),
};

/** Message and help for an error of the checker; its own text where we have nothing better. */
export function reworded(about: About, found: ts.Diagnostic, text: string): Words {
  const whole = ts.flattenDiagnosticMessageText(found.messageText, "\n");
  return WORDS[found.code]?.(text, whole, about) ?? { message: text.replace(/\.$/, "") };
}

/** Which module of the language exports a name; from the texts of the declarations. */
export function exportIndex(
  declarations: Readonly<Record<string, string>>,
): (name: string) => LanguageModule | undefined {
  return (name) => {
    if (!/^\w+$/.test(name)) return undefined;
    const pattern = new RegExp(`export (?:declare )?(?:function|class|const|enum|type|interface) ${name}\\b`);
    return (Object.keys(LANGUAGE_MODULES) as LanguageModule[]).find((module) =>
      pattern.test(declarations[LANGUAGE_MODULES[module]] ?? ""),
    );
  };
}

/** The events in which a member of the low-level context is there; none: in all of them, or in none. From the declarations. */
export function eventIndex(declarations: Readonly<Record<string, string>>): (name: string) => string[] {
  return (name) => {
    const events = new Set<string>();
    for (const text of Object.values(declarations)) {
      for (const [, event, members] of text.matchAll(/^interface \w+ extends \w+<Op\.(\w+)> \{([^}]*)\}/gm))
        if (new RegExp(`\\b${name}\\b *[:(<]`).test(members!)) events.add(event!);
    }
    return [...events];
  };
}
