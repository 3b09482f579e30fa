/** Text of other people's making, fit to be shown: names in objects and file systems, source lines, what peers and the kernel say. */

/** Controls but newline and tab, C1 (0x9b begins a sequence as ESC [ does), and what turns the direction of writing or ends lines. */
const CONTROLS = /[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;
const HIDDEN = "\ufffd";

/** On one line. Every character that a terminal would obey is replaced by one that it shows. */
export const printable = (text: string): string => text.replace(CONTROLS, HIDDEN).replaceAll("\n", " ");

/** The same for text of several lines. */
export const printableLines = (text: string): string => text.replace(CONTROLS, HIDDEN);

const escaped = (char: string): string => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`;
/** JSON text without a character that a terminal would obey; its meaning is the same. */
export const printableJson = (text: string): string => text.replace(CONTROLS, escaped);
