//! The reference of the language, generated from the declarations.

use std::fmt::Write as _;

use super::values::FIELDS;
use super::words::{self, NOT_YET, Param, Place, Takes, Word};

/// The reference as Markdown.
pub fn reference() -> String {
    let mut out = String::from(
        "# The topology language: reference\n\n\
         Generated from the declarations in `src/lang`; a test keeps this file true to them \
         (`UPDATE_EXPECT=1 cargo test -p topple reference` rewrites it).\n\n\
         A script is plain [Rhai](https://rhai.rs/book). Top level declares; experiments act. Words that \
         take a value first can be written after it: `kill(m)` is `m.kill()`. Those that take a closure are \
         functions only. Arguments in brackets may be left out; options are a map, `#{ name: value }`.\n\n\
         Durations are strings with a unit (`us`, `ms`, `s`, `m`, `h`, `d`): `\"250ms\"`. So are sizes, as \
         in redis.conf (`b`, `k`, `kb`, `m`, `mb`, `g`, `gb`): `\"64mb\"`. Durations and moments compare \
         with their like and, durations, with duration strings; moments subtract to durations. A comparison \
         of anything with something of another kind is an error.\n\n\
         `import \"parts/cache\" as cache;` takes in `parts/cache.rhai`: its functions, what it exports, and the \
         nodes it declares. The path starts from the folder of the file that it stands in; a file that \
         several import is evaluated once, and files that import each other are refused. Other paths in \
         scripts start from the folder of the script that `topple` was given; either kind is looked for from the \
         working directory next.\n",
    );
    for (place, title) in [
        (Place::Anywhere, "Everywhere"),
        (Place::TopLevel, "At top level: declaring"),
        (Place::Experiment, "In experiments: acting, asking, waiting, judging"),
    ] {
        let _ = writeln!(out, "\n## {title}\n");
        let mut first = true;
        for word in words::all().filter(|word| word.place == place) {
            if !first {
                out.push('\n');
            }
            first = false;
            word_text(&mut out, word);
        }
    }
    fields_text(&mut out);
    let _ = writeln!(out, "\n## Not there yet\n");
    let names: Vec<String> = NOT_YET.iter().map(|name| format!("`{name}`")).collect();
    let _ = writeln!(out, "{}", names.join(", "));
    out
}

fn word_text(out: &mut String, word: &Word) {
    let _ = writeln!(out, "### `{}`\n\n{}\n", word.signature(), word.summary);
    for param in word.params.iter().filter(|param| param.takes != Takes::Options) {
        let _ = writeln!(out, "- {}", param_text(param));
    }
    if word.variadic {
        let _ = writeln!(out, "- further arguments: strings, numbers or booleans");
    }
    let _ = writeln!(out, "- gives {}", word.gives);
    if word.options.is_empty() {
        return;
    }
    // A table is written once; a word that shares its options says whose they are.
    let names = |word: &Word| word.options.iter().map(|option| option.name).collect::<Vec<_>>();
    let first = words::all().find(|other| names(other) == names(word));
    if let Some(other) = first.filter(|other| other.name != word.name) {
        let _ = writeln!(out, "\nOptions: as of `{}`.", other.name);
        return;
    }
    let _ = writeln!(out, "\n| option | takes | default | |\n|---|---|---|---|");
    for option in word.options {
        let default = if option.default.is_empty() { "none" } else { option.default };
        let takes = option.takes.described();
        let _ = writeln!(out, "| `{}` | {takes} | {default} | {} |", option.name, option.summary);
    }
}

fn param_text(param: &Param) -> String {
    let optional = if param.required { "" } else { ", optional" };
    format!("`{}`: {}{optional}", param.name, param.takes.described())
}

fn fields_text(out: &mut String) {
    let _ = writeln!(out, "\n## Fields\n\n| of | field | |\n|---|---|---|");
    for field in FIELDS {
        let _ = writeln!(out, "| {} | `{}` | {} |", field.of, field.name, field.summary);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_reference_is_what_the_declarations_say() {
        expect_test::expect_file!["../../REFERENCE.md"].assert_eq(&reference());
    }

    #[test]
    fn every_word_and_option_says_what_it_is_for() {
        for word in words::all() {
            assert!(word.summary.ends_with('.'), "{}", word.name);
            assert!(!word.gives.is_empty(), "{}", word.name);
            assert_eq!(
                word.options.is_empty(),
                !word.params.iter().any(|param| param.takes == Takes::Options),
                "{}",
                word.name
            );
            for option in word.options {
                assert!(!option.summary.is_empty(), "{} {}", word.name, option.name);
            }
        }
    }
}
