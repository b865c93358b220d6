//! Scripted origins.
