//! What the examples share.

pub mod draw; // pictures, computed
pub mod objects; // what is in the demo's bucket
pub mod origin; // a private S3 bucket on loopback
pub mod signals; // when to stop
