//! Decisions over values: what RFC 9111 and RFC 9110 say, as functions of a head and a time.

pub mod outcome;
