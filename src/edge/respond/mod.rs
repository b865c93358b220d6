//! Stage 8: a response from what was found or fetched.
//!
//! | file | idea |
//! |---|---|
//! | `served` | how a response came to be |
//! | `response` | preconditions, ranges, HEAD, Age, Cache-Status |
//! | `sliced` | a response from an object in slices, some of which may have to be fetched |
//! | `repeated` | field values that hits repeat |
//! | `refusal` | answers of the edge's own |
//! | `body` | the bytes, wherever they come from |
//! | `record` | what is noted of a request, and put on its response last |

pub mod body;
pub mod record;
pub mod refusal;
mod repeated;
pub mod response;
pub mod served;
pub mod sliced;
