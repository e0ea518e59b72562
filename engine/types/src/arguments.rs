//! Reading command arguments: words, integers, expire times. What they say is Redis 7.2's strictness; what
//! they mean is the command's.

use keyspace::{Data, Entry, Value, WallMs};
use resp::number::{parse_f64, parse_i64};

use crate::long_double::LongDouble;
use crate::{CommandError, Now};

/// Whether an argument is this word, given in capitals.
pub(crate) fn is_word(argument: &[u8], word: &str) -> bool {
    argument.eq_ignore_ascii_case(word.as_bytes())
}

/// An integer of 64 bits.
pub(crate) fn integer(argument: &[u8]) -> Result<i64, CommandError> {
    parse_i64(argument).ok_or(CommandError::NotAnInteger)
}

/// A float.
pub(crate) fn float(argument: &[u8]) -> Result<f64, CommandError> {
    parse_f64(argument).ok_or(CommandError::NotAFloat)
}

/// An integer from `least` on, or this error.
pub(crate) fn integer_from(argument: &[u8], least: i64, error: &'static str) -> Result<i64, CommandError> {
    parse_i64(argument).filter(|number| *number >= least).ok_or(CommandError::new(error))
}

/// An integer of 32 bits, as database numbers are read.
pub(crate) fn small_integer(argument: &[u8]) -> Result<i32, CommandError> {
    i32::try_from(integer(argument)?).map_err(|_| {
        CommandError::new("ERR value is out of range, value must between -2147483648 and 2147483647")
    })
}

/// The number of one of `count` databases.
pub(crate) fn db_index(argument: &[u8], count: usize) -> Result<u32, CommandError> {
    let index = small_integer(argument)?;
    u32::try_from(index).ok().filter(|index| (*index as usize) < count).ok_or(CommandError::DbIndex)
}

/// The string that an entry holds.
pub(crate) fn string(entry: Entry<'_>) -> Result<Value<'_>, CommandError> {
    match entry.data() {
        Data::String(value) => Ok(value),
        _ => Err(CommandError::WrongType),
    }
}

/// How long a blocking command waits, in milliseconds, given in seconds; none: for ever.
pub(crate) fn timeout_in_seconds(argument: &[u8], now: Now) -> Result<Option<u64>, CommandError> {
    let seconds =
        LongDouble::parse(argument).ok_or(CommandError::new("ERR timeout is not a float or out of range"))?;
    let ms = seconds.times_rounded_up(1000);
    if ms < 0 {
        return Err(CommandError::new("ERR timeout is negative"));
    }
    // The deadline, too, is a time in 64 bits.
    if ms > i128::from(i64::MAX) - if ms > 0 { i128::from(now.wall.0) } else { 0 } {
        return Err(CommandError::new("ERR timeout is out of range"));
    }
    Ok(u64::try_from(ms).ok().filter(|ms| *ms > 0))
}

/// What a number that stands for a time counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    Seconds,
    Milliseconds,
}

/// When a number that stands for a time counts from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Base {
    Now,
    Epoch,
}

/// How a command means its expire time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Clock {
    pub(crate) unit: Unit,
    pub(crate) base: Base,
}

impl Clock {
    pub(crate) const EX: Clock = Clock { unit: Unit::Seconds, base: Base::Now };
    pub(crate) const PX: Clock = Clock { unit: Unit::Milliseconds, base: Base::Now };
    pub(crate) const EXAT: Clock = Clock { unit: Unit::Seconds, base: Base::Epoch };
    pub(crate) const PXAT: Clock = Clock { unit: Unit::Milliseconds, base: Base::Epoch };

    /// The clock that an option names.
    pub(crate) fn from_word(argument: &[u8]) -> Option<Clock> {
        [("EX", Self::EX), ("PX", Self::PX), ("EXAT", Self::EXAT), ("PXAT", Self::PXAT)]
            .into_iter()
            .find_map(|(word, clock)| is_word(argument, word).then_some(clock))
    }

    /// The deadline that an argument means, wherever it lies; none when it leaves 64 bits.
    pub(crate) fn deadline(self, argument: &[u8], now: Now) -> Result<Option<WallMs>, CommandError> {
        let count = integer(argument)?;
        let ms = match self.unit {
            Unit::Seconds => count.checked_mul(1000),
            Unit::Milliseconds => Some(count),
        };
        let ms = match self.base {
            Base::Now => ms.and_then(|ms| ms.checked_add(now.wall.0)),
            Base::Epoch => ms,
        };
        Ok(ms.map(WallMs))
    }

    /// The deadline of `command`, which accepts none that counts from 0 or less.
    pub(crate) fn positive_deadline(
        self,
        argument: &[u8],
        now: Now,
        command: &'static str,
    ) -> Result<WallMs, CommandError> {
        let deadline = self.deadline(argument, now)?;
        match deadline {
            Some(deadline) if integer(argument)? > 0 => Ok(deadline),
            _ => Err(CommandError::InvalidExpire(command)),
        }
    }
}
