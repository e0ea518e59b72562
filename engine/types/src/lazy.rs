//! Which values are not freed at once but handed to another thread.
//!
//! As Redis: what takes more than 64 allocations to free, when the directive for the occasion says so. The
//! thread itself is the shell's.

use keyspace::Removed;

/// A value that takes more than so many allocations to free is worth handing to another thread, as in Redis.
const LARGE_EFFORT: usize = 64;

/// Whether freeing takes so long that another thread should do it.
pub fn is_large(free_effort: usize) -> bool {
    free_effort > LARGE_EFFORT
}

/// Why a key goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// DEL.
    Deleted,
    /// UNLINK.
    Unlinked,
    /// A command that does something else took or replaced it.
    Implied,
    /// Its deadline has passed.
    Expired,
}

/// For which causes large values are freed elsewhere: the `lazyfree-lazy-*` directives.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LazyFree {
    /// `lazyfree-lazy-user-del`.
    pub user_del: bool,
    /// `lazyfree-lazy-server-del`.
    pub server_del: bool,
    /// `lazyfree-lazy-expire`.
    pub expire: bool,
}

impl LazyFree {
    /// Whether large values that go for this cause are freed elsewhere.
    pub(crate) fn covers(self, cause: Cause) -> bool {
        match cause {
            Cause::Deleted => self.user_del,
            Cause::Unlinked => true,
            Cause::Implied => self.server_del,
            Cause::Expired => self.expire,
        }
    }
}

/// Values waiting to be freed where that stalls nobody.
#[derive(Default)]
pub struct Discarded(pub Vec<Removed>);

impl std::fmt::Debug for Discarded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Discarded({})", self.0.len())
    }
}
