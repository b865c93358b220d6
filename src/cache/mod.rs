//! Stored responses.
