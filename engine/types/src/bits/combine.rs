//! Strings combined bit by bit: BITOP. Shorter strings count as if zeros followed.

use keyspace::Expiry;
use resp::Args;

use crate::arguments::{is_word, string};
use crate::{Class, CommandError, Ctx};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation {
    And,
    Or,
    Xor,
    Not,
}

fn operation(word: &[u8]) -> Result<Operation, CommandError> {
    [("AND", Operation::And), ("OR", Operation::Or), ("XOR", Operation::Xor), ("NOT", Operation::Not)]
        .into_iter()
        .find_map(|(name, operation)| is_word(word, name).then_some(operation))
        .ok_or(CommandError::Syntax)
}

pub(super) fn bitop(ctx: &mut Ctx<'_>, args: Args<'_>) -> Result<(), CommandError> {
    let operation = operation(args.at(1))?;
    if operation == Operation::Not && args.len() != 4 {
        return Err(CommandError::new("ERR BITOP NOT must be called with a single source key."));
    }
    let mut result: Option<Vec<u8>> = None;
    for source in args.from(3).iter() {
        let mut buffer = itoa::Buffer::new();
        let value = ctx.read(ctx.key(source)).map(string).transpose()?;
        let bytes = value.as_ref().map_or(&[][..], |value| value.as_bytes(&mut buffer));
        match &mut result {
            None => result = Some(bytes.to_vec()),
            Some(result) => combine(result, bytes, operation),
        }
    }
    let mut result = result.unwrap_or_default();
    if operation == Operation::Not {
        result.iter_mut().for_each(|byte| *byte = !*byte);
    }
    let (key, length) = (ctx.key(args.at(2)), result.len());
    if length > 0 {
        ctx.expire_before_write(key);
        ctx.announce_new(key);
        let access = ctx.access_stamp();
        ctx.db().set_raw(key.hash, key.bytes, &result, Expiry::Clear, access);
        ctx.changed(key, Class::String, "set");
    } else if ctx.for_write(key).is_some() {
        ctx.remove(key);
        ctx.changed(key, Class::Generic, "del");
    }
    ctx.out.int(length as i64);
    Ok(())
}

/// Combines `bytes` into `result`, which becomes as long as the longer of the two.
fn combine(result: &mut Vec<u8>, bytes: &[u8], operation: Operation) {
    let shared = result.len().min(bytes.len());
    let (head, tail) = result.split_at_mut(shared);
    let pairs = head.iter_mut().zip(bytes);
    match operation {
        Operation::And => {
            pairs.for_each(|(one, other)| *one &= other);
            tail.fill(0);
            result.resize(result.len().max(bytes.len()), 0);
            return;
        }
        Operation::Or => pairs.for_each(|(one, other)| *one |= other),
        Operation::Xor => pairs.for_each(|(one, other)| *one ^= other),
        // It has one source only.
        Operation::Not => {}
    }
    result.extend_from_slice(&bytes[shared..]);
}
