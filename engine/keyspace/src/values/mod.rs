//! The data types other than strings, and the encodings they are made of.
//!
//! Each type is a plain data structure with the encodings of Redis 7.2 (compact while small) and
//! knows no commands. Limits that decide when a compact encoding ends are passed in as [`Limits`].
//! Every type keeps count of its memory, so that telling it costs nothing.

mod dict;
mod distinct;
mod intset;
mod limits;
mod list;
mod listpack;

mod hash;
mod set;
mod sorted_set;
mod stream;

pub use dict::Dict;
pub use hash::Hash;
pub use intset::Intset;
pub use limits::Limits;
pub use list::{List, Part, Side};
pub use listpack::{Composer, End, Invalid, Iter, Listpack, Position};
pub use set::Set;
pub use sorted_set::{Direction, LexBound, LexRange, Members, ScoreBound, ScoreRange, Scored, SortedSet};
pub use stream::{
    Consumer, ConsumerKey, Entry, Group, InvalidStream, Metadata, Pairs, Pending, STREAM_ID_MAX_LEN, Stream,
    StreamId, Trim,
};
