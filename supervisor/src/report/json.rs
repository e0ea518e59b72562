//! The report as JSON: what was computed, and the history that it was computed from.

use serde::Serialize;

use super::summary::{Summary, summarise};
use crate::history::History;

/// A version of this form.
pub const REPORT_VERSION: u32 = 1;

/// The whole document.
#[derive(Serialize)]
struct Document<'a> {
    version: u32,
    summary: Summary,
    history: &'a History,
}

/// The document, ended by a newline.
pub fn json(history: &History) -> String {
    let document = Document { version: REPORT_VERSION, summary: summarise(history), history };
    let mut text = serde_json::to_string_pretty(&document).expect("a history holds nothing that JSON cannot");
    text.push('\n');
    text
}
