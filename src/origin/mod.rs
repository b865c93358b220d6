//! Pools of origin servers.
