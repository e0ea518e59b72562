//! `up --watch`: a script that changes while its topology is up is evaluated anew, and the topology becomes what
//! it says.
//!
//! - [`difference`]: what changes, from plan to plan; pure, as are
//! - [`say`]: the same in words, said before anything is done;
//! - [`steps`]: what is done, in order, and how each step is taken back;
//! - `merge`, `conf`, [`ports`]: ids, configuration files and ports that stay what they are;
//! - [`files`]: noticing that files change;
//! - `process_files`: the files of the user's own programs;
//! - [`apply`]: carrying the steps out on the living topology;
//! - [`follow`]: all of it, over and over.

pub mod apply;
mod conf;
pub mod difference;
pub mod files;
pub mod follow;
mod merge;
pub mod ports;
mod process_files;
pub mod say;
pub mod steps;
#[cfg(test)]
mod tests;
