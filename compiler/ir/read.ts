/** Reads the textual form of the IR, as `print.ts` prints it. For tests and tools; throws SyntaxError with the line. */
import { bytesOfHex } from "../hex.ts";
import type { GlobalVar, MapSpec, StructOps } from "../module.ts";
import type { SourceFile, Span } from "../span.ts";
import type { Block, Func, Inst, IrModule, IrProgram, Value } from "./ir.ts";
import { readEnd, readInst } from "./read-instructions.ts";
import {
  TOKEN,
  type Cursor,
  fail,
  peek,
  next,
  expect,
  accept,
  quoted,
  type,
  definition,
  definitionList,
  place,
} from "./read-words.ts";

/** Parses a module. */
export function readModule(text: string): IrModule {
  const lines = text.split("\n");
  const needs: string[] = [];
  const sources: SourceFile[] = [];
  const maps: MapSpec[] = [];
  const globals: GlobalVar[] = [];
  const functions: Func[] = [];
  const structOps: StructOps[] = [];
  const programs: IrProgram[] = [];
  let license = "";
  let target = "";
  for (let at = 0; at < lines.length; at++) {
    const line = lines[at]!.replace(/^\s*#.*$/, "").trim();
    if (line === "") continue;
    const [word = ""] = line.split(" ", 1);
    const rest = line.slice(word.length + 1);
    const cursor: Cursor = { line: at + 1, tokens: line.match(TOKEN) ?? [], at: 1 };
    switch (word) {
      case "target":
        target = rest;
        break;
      case "license":
        license = JSON.parse(rest) as string;
        break;
      case "needs":
        needs.push(rest);
        break;
      case "source":
        sources.push({ path: quoted(cursor), text: quoted(cursor) });
        break;
      case "map":
        maps.push(readMap(rest));
        break;
      case "global":
        globals.push(readGlobal(rest));
        break;
      case "structops":
        structOps.push(readStructOps(rest));
        break;
      case "func": {
        const end = closing(lines, at);
        functions.push(readFunc(lines, at, end, cursor));
        at = end;
        break;
      }
      case "program": {
        const [, section = "", type = "", attach = "", member = ""] = line.split(" ");
        const [struct, name] = member.split(".");
        const implemented = struct && name ? { implements: { struct, member: name } } : {};
        const end = closing(lines, at);
        cursor.at = cursor.tokens.indexOf("func") + 1;
        const func = readFunc(lines, at, end, cursor);
        programs.push({ section, type, attachType: Number(attach), ...implemented, func });
        at = end;
        break;
      }
      default:
        fail({ ...cursor, at: 0 }, "unknown line");
    }
  }
  const ops = structOps.length > 0 ? { structOps } : {};
  return { license, target, needs, maps, globals, functions, programs, ...ops, sources };
}

function readMap(rest: string): MapSpec {
  const [name = ""] = rest.split(" ", 1);
  const parsed = JSON.parse(rest.slice(name.length + 1)) as Omit<MapSpec, "name" | "initial"> & {
    initial?: { key: string; value: string }[];
  };
  const initial = (parsed.initial ?? []).map((e) => ({ key: bytesOfHex(e.key), value: bytesOfHex(e.value) }));
  return { ...parsed, name, initial };
}

function readGlobal(rest: string): GlobalVar {
  const [name = ""] = rest.split(" ", 1);
  const parsed = JSON.parse(rest.slice(name.length + 1)) as Omit<GlobalVar, "name" | "init"> & { init: string };
  return { ...parsed, name, init: bytesOfHex(parsed.init) };
}

function readStructOps(rest: string): StructOps {
  const parsed = JSON.parse(rest) as Omit<StructOps, "values"> & { values: Record<string, string> };
  const values = Object.fromEntries(Object.entries(parsed.values).map(([name, bytes]) => [name, bytesOfHex(bytes)]));
  return { ...parsed, values };
}

function closing(lines: readonly string[], from: number): number {
  const end = lines.findIndex((line, at) => at > from && line.trim() === "}");
  if (end === -1) throw new SyntaxError(`IR line ${from + 1}: this function is not closed by "}"`);
  return end;
}

function readFunc(lines: readonly string[], start: number, end: number, head: Cursor): Func {
  const values = new Map<number, Value>();
  const name = next(head);
  const params = definitionList(head, values);
  const returns = accept(head, "->") ? type(head) : undefined;
  expect(head, "{");
  const span = place(head);

  // Uses may come before definitions in the text (blocks in any order), so all definitions are read first.
  const cursors: Cursor[] = [];
  for (let at = start + 1; at < end; at++) {
    const line = lines[at]!.replace(/^\s*#.*$/, "").trim();
    if (line === "") continue;
    const cursor: Cursor = { line: at + 1, tokens: line.match(TOKEN) ?? [], at: 0 };
    cursors.push(cursor);
    if (/^b\d+$/.test(peek(cursor))) {
      definitionList({ ...cursor, at: 1 }, values);
    } else if (peek(cursor).startsWith("%")) {
      definition({ ...cursor }, values);
    }
  }

  const blocks: Block[] = [];
  let open: { id: number; params: readonly Value[]; loop?: Span; insts: Inst[] } | undefined;
  for (const cursor of cursors) {
    if (/^b\d+$/.test(peek(cursor)) && cursor.tokens.includes(":")) {
      if (open) fail(cursor, `block b${open.id} has no end`);
      const id = Number(next(cursor).slice(1));
      const blockParams = peek(cursor) === "(" ? definitionList(cursor, values) : [];
      expect(cursor, ":");
      open = { id, params: blockParams, insts: [] };
      if (accept(cursor, "loop")) open.loop = place(cursor);
      continue;
    }
    if (!open) {
      fail(cursor, "expected a block");
      continue;
    }
    const finish = readEnd(cursor, values);
    if (finish) {
      blocks.push({
        id: open.id,
        params: open.params,
        insts: open.insts,
        end: finish,
        ...(open.loop ? { loop: open.loop } : {}),
      });
      open = undefined;
    } else {
      open.insts.push(readInst(cursor, values));
    }
    if (cursor.at < cursor.tokens.length) fail(cursor, "unexpected text");
  }
  if (open) throw new SyntaxError(`IR line ${end + 1}: block b${open.id} has no end`);
  return { name, params, ...(returns ? { returns } : {}), blocks, span };
}
