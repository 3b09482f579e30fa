/** Licenses by name, as include/linux/license.h has them. */

/** What the language takes: those whose programs may call GPL-only helpers, and the word for all others. */
export const LICENSES = ["GPL", "GPL v2", "Dual BSD/GPL", "Dual MIT/GPL", "Dual MPL/GPL", "Proprietary"] as const;

const OF_OTHERS = "Proprietary";
const COMPATIBLE: ReadonlySet<string> = new Set([
  "GPL and additional rights",
  ...LICENSES.filter((one) => one !== OF_OTHERS),
]);
/** Whether programs with that license may call what is for GPL-compatible programs only. */
export const isGplCompatible = (license: string): boolean => COMPATIBLE.has(license);
