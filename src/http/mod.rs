//! The grammar of HTTP fields: text in, values out. Pure, imports nothing of ours.

pub mod cache_control;
pub mod date;
pub mod directive;
pub mod refusal;
pub mod structured;
pub mod time;
