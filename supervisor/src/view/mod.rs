//! The live view: nodes, what happens, and keys to act, over the whole terminal.
//!
//! - [`state`]: what is shown and what keys mean; pure.
//! - [`draw`]: the drawing, a pure function of the state.
//! - [`terminal`]: taking the terminal over and giving it back, on every way out.
//! - [`screen`]: the view as a thread that asks a topology's control socket, as any other command does. So `up`
//!   and `attach` show the same.

pub mod draw;
pub mod screen;
pub mod state;
pub mod terminal;
#[cfg(test)]
mod tests;
