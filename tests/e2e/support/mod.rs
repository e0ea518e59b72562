//! What the tests share: server processes and a client for them.

pub mod client;
pub mod server;
pub mod topple;
