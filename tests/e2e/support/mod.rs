//! What the tests share: server processes and a client for them.

pub mod client;
pub mod clients;
pub mod dataset;
pub mod everything;
pub mod node;
pub mod puppet;
pub mod random;
pub mod scene;
pub mod server;
pub mod terminal;
pub mod topple;
pub mod wait;
pub mod watcher;
