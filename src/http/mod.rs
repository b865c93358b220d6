//! The grammar of HTTP fields: text in, values out. Pure, imports nothing of ours.

pub mod accept_encoding;
pub mod accept_language;
pub mod bearer;
pub mod cache_control;
pub mod cache_status;
pub mod date;
pub mod decimal;
pub mod directive;
pub mod etag;
pub mod forwarded;
pub mod framing;
pub mod hop_by_hop;
pub mod host;
pub mod list;
pub mod multipart;
pub mod protocol;
pub mod range;
pub mod refusal;
pub mod structured;
pub mod time;
pub mod uniform;
pub mod upgrade;
pub mod uri;
pub mod vary;
pub mod weight;
