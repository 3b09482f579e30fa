/** Brings every generated file up to date; writes only what has changed. */
export declare function embed(): void;
