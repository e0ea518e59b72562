//! SORT.

use crate::Handler;
use crate::spec::Command;

/// The family's declarations.
pub const COMMANDS: &[Command<Handler>] = &[];
