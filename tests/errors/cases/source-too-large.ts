//! repeat 1100000 /
