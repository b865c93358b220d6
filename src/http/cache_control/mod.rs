//! Cache directives, of responses and of requests.

mod request;
mod response;

pub use request::{MaxStale, RequestDirectives};
pub use response::{CDN_CACHE_CONTROL, FieldScope, ResponseDirectives, SURROGATE_CONTROL};
