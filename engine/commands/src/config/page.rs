//! The page that lists every directive, `engine/DIRECTIVES.md`; a test holds it to the declarations.

use super::inert::{self, INERT};
use super::settings::{DIRECTIVES, Live, Settings};

const HEAD: &str = "\
# Directives

Generated from their declarations (`engine/commands/src/config/`): `UPDATE_EXPECT=1 cargo test -p \
topple-commands every_directive_is_on_the_page` writes this page anew.

";

/// The page.
pub(super) fn page() -> String {
    let defaults = Settings::default();
    let mut lines: Vec<String> = DIRECTIVES
        .iter()
        .map(|directive| {
            let names: Vec<_> = directive.names().map(|name| format!("`{name}`")).collect();
            let value = quoted(&(directive.get)(&defaults));
            let live = if directive.live == Live::Live { "yes" } else { "no" };
            format!("| {} | {value} | {live} | {} |", names.join(", "), directive.meaning.trim())
        })
        .collect();
    lines.sort();
    let mut page = String::from(HEAD);
    page.push_str("## With a meaning\n\n| name | default | live | meaning |\n|---|---|---|---|\n");
    page.push_str(&lines.join("\n"));
    page.push_str(
        "\n\n`include`, `user`, `rename-command` and `sentinel` lines are read too; `loadmodule` is refused: there are no \
         modules.\n\n## Known, checked, kept and shown, without a meaning here\n\nTheir mechanism does not exist in this \
         engine, or not yet. Those marked *refused* may only be set to what is listed.\n\n| name | default | live | \
         |\n|---|---|---|---|\n",
    );
    for one in INERT {
        let names: Vec<_> = one.names().map(|name| format!("`{name}`")).collect();
        let live = if one.is_live { "yes" } else { "no" };
        let refused = inert::only(one.name).map_or_else(String::new, |(values, what)| {
            format!("*refused* unless {}: {what}", values.join(", "))
        });
        page.push_str(&format!("| {} | {} | {live} | {refused} |\n", names.join(", "), quoted(one.default)));
    }
    page
}

fn quoted(value: &str) -> String {
    if value.is_empty() { String::new() } else { format!("`{value}`") }
}
