//! Stage 7: from the origin, for all who may share it or for one client alone.
//!
//! | file | idea |
//! |---|---|
//! | `collapse` | who asks the origin, who follows, and what each is told |
//! | `plan` | what is to be fetched, and what those who wait are told |
//! | `fill` | an origin fetch that runs on its own |
//! | `receive` | a body on its way into the store |
//! | `failure` | how an origin failed, and what may stand in for it |
//! | `storage_plan` | whether and how a response is to be stored |
//! | `stored_head` | the head of a response as it is kept |
//! | `pass` | straight to the origin and straight back |
//! | `head` | a HEAD that the cache can't answer |
//! | `client_range` | a client's own range of what can't be kept |
//! | `post_copy` | a response to POST that answers later GETs |
//! | `tunnel` | another protocol, on two connections made one |

pub mod client_range;
pub mod collapse;
pub mod failure;
pub mod fill;
pub mod head;
pub mod pass;
pub mod plan;
pub mod post_copy;
pub mod receive;
pub mod storage_plan;
pub mod stored_head;
pub mod tunnel;
