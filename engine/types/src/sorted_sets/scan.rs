//! ZSCAN. A score is told as Redis has it at hand: of a listpack its text, of a table seventeen digits.

use keyspace::Encoding;
use keyspace::values::SortedSet;
use resp::Args;
use resp::number::{write_f64, write_f64_digits};

use crate::scanning::scan_elements;
use crate::{CommandError, Ctx};

pub(super) fn zscan(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    scan_elements::<SortedSet>(ctx, args, |set, cursor, options, found| {
        let write = match set.encoding() {
            Encoding::Listpack => write_f64,
            _ => write_f64_digits,
        };
        let mut text = Vec::with_capacity(32);
        set.scan(cursor, options.count, &mut |member, score| {
            if options.select_value(member) {
                found.add_value(member);
                text.clear();
                write(&mut text, score);
                found.add(&text);
            }
        })
    })
}
