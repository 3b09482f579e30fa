//! repeat 60000 (
export const deep = 1;
