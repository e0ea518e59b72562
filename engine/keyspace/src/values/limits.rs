//! When compact encodings end: the directives `list-max-listpack-size` and the like.

use crate::hash::HashSeed;

/// Limits of compact encodings, and what tables beyond them are made with; the defaults are Redis 7.2's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// `list-max-listpack-size`: elements in a node of a list, or with -1 to -5 its size from 4 KB
    /// doubling to 64 KB.
    pub list_max_listpack_size: i64,
    /// Elements of a list from this size on are nodes of their own (DEBUG QUICKLIST-PACKED-THRESHOLD).
    pub list_plain_bytes: usize,
    /// `list-compress-depth`: nodes at each end of a list that are not compressed; 0 for none at all.
    pub list_compress_depth: i64,
    /// `set-max-intset-entries`
    pub set_max_intset_entries: u64,
    /// `set-max-listpack-entries`
    pub set_max_listpack_entries: u64,
    /// `set-max-listpack-value`, in bytes.
    pub set_max_listpack_value: u64,
    /// `hash-max-listpack-entries`
    pub hash_max_listpack_entries: u64,
    /// `hash-max-listpack-value`, in bytes.
    pub hash_max_listpack_value: u64,
    /// `zset-max-listpack-entries`
    pub zset_max_listpack_entries: u64,
    /// `zset-max-listpack-value`, in bytes.
    pub zset_max_listpack_value: u64,
    /// `stream-node-max-bytes`; 0 for no limit.
    pub stream_node_max_bytes: u64,
    /// `stream-node-max-entries`; 0 for no limit.
    pub stream_node_max_entries: u64,
    /// `hll-sparse-max-bytes`
    pub hll_sparse_max_bytes: u64,
    /// The seed of tables inside values.
    pub seed: HashSeed,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            list_max_listpack_size: -2,
            list_plain_bytes: 1 << 30,
            list_compress_depth: 0,
            set_max_intset_entries: 512,
            set_max_listpack_entries: 128,
            set_max_listpack_value: 64,
            hash_max_listpack_entries: 512,
            hash_max_listpack_value: 64,
            zset_max_listpack_entries: 128,
            zset_max_listpack_value: 64,
            stream_node_max_bytes: 4096,
            stream_node_max_entries: 100,
            hll_sparse_max_bytes: 3000,
            seed: HashSeed([0; 4]),
        }
    }
}
