//! How many nodes a radix tree has: Redis keeps the nodes of a stream in one, and XINFO tells its size.
//!
//! There is no such tree here. In Redis's, a run of bytes without a fork is one node, a fork is one node,
//! and so is every end of a key; the fork's own byte belongs to the fork.

/// Bytes of a key.
const KEY_BYTES: usize = 16;

/// The number of nodes of the tree over these keys, which come in ascending order.
pub(super) fn nodes(keys: impl Iterator<Item = [u8; KEY_BYTES]>) -> usize {
    // Depths of the forks on the way to the last key, ascending.
    let mut forks: Vec<usize> = Vec::new();
    let mut last: Option<[u8; KEY_BYTES]> = None;
    let mut count = 0;
    for key in keys {
        if let Some(last) = last {
            let shared = key.iter().zip(&last).take_while(|(a, b)| a == b).count();
            let mut below = KEY_BYTES;
            // What lies below deeper forks is complete.
            while let Some(depth) = forks.pop_if(|depth| *depth > shared) {
                count += edge(depth, below) + 1;
                below = depth;
            }
            count += edge(shared, below);
            if forks.last() != Some(&shared) {
                forks.push(shared);
            }
        }
        count += 1;
        last = Some(key);
    }
    if last.is_none() {
        return 1;
    }
    let mut below = KEY_BYTES;
    while let Some(depth) = forks.pop() {
        count += edge(depth, below) + 1;
        below = depth;
    }
    // The root: it is the top fork itself, or the run down to it.
    count + usize::from(below > 0)
}

/// Nodes between a fork and what lies below it: a run, unless the fork's own byte is all there is.
fn edge(fork: usize, below: usize) -> usize {
    usize::from(below > fork + 1)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    /// Builds the tree byte by byte and counts.
    fn counted(keys: &[[u8; KEY_BYTES]]) -> usize {
        fn walk(keys: &[&[u8]]) -> usize {
            let mut children: BTreeMap<u8, Vec<&[u8]>> = BTreeMap::new();
            for key in keys.iter().filter(|key| !key.is_empty()) {
                children.entry(key[0]).or_default().push(&key[1..]);
            }
            match children.len() {
                0 => 1,
                1 => {
                    // A run goes on to the next fork or end.
                    let mut rest: Vec<&[u8]> = children.into_values().next().unwrap();
                    while !rest[0].is_empty() && rest.iter().all(|key| key[0] == rest[0][0]) {
                        rest = rest.iter().map(|key| &key[1..]).collect();
                    }
                    1 + walk(&rest)
                }
                _ => 1 + children.values().map(|below| walk(below)).sum::<usize>(),
            }
        }
        walk(&keys.iter().map(|key| &key[..]).collect::<Vec<_>>())
    }

    #[test]
    fn it_counts_what_a_tree_would_have() {
        assert_eq!((nodes([].into_iter()), nodes([[7; KEY_BYTES]].into_iter())), (1, 2));
        let mut seed = 1u64;
        let mut draw = |limit: u64| {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (seed >> 33) % limit
        };
        for round in 0..300 {
            let mut keys: Vec<[u8; KEY_BYTES]> = (0..1 + draw(40))
                .map(|_| {
                    let mut key = [0; KEY_BYTES];
                    let alike = draw(KEY_BYTES as u64) as usize;
                    key[alike..].iter_mut().for_each(|byte| *byte = draw(1 + round % 5) as u8);
                    key
                })
                .collect();
            keys.sort_unstable();
            keys.dedup();
            assert_eq!(nodes(keys.iter().copied()), counted(&keys), "{keys:?}");
        }
    }
}
