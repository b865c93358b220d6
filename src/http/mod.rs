//! The grammar of HTTP fields: text in, values out. Pure, imports nothing of ours.

pub mod refusal;
pub mod time;
