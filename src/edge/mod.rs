//! The eight stages of a request.
