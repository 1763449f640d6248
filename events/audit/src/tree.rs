//! One hash over many records, from which each can be shown without the others: a Merkle tree in the shape of
//! [RFC 6962](https://www.rfc-editor.org/rfc/rfc6962#section-2.1), with BLAKE3.
//!
//! A chain of hashes proves an event only together with everything that follows it; a tree proves it with one hash for
//! each doubling of the number of records. So a bundle holds nobody else's events.
//!
//! ```text
//! leaf(record)      = BLAKE3(0x00 || stored bytes of the record)
//! node(left, right) = BLAKE3(0x01 || left || right)
//! tree of n         = its leaf, for n = 1; else the node of the tree of the first k and that of the rest, where k is
//!                     the largest power of two below n
//! ```

use openclaw_model::Digest;

/// Hash of a record as a leaf.
#[must_use]
pub fn leaf(record: &[u8]) -> Digest {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&[0]).update(record);
    Digest(*hasher.finalize().as_bytes())
}

fn node(left: &Digest, right: &Digest) -> Digest {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&[1]).update(&left.0).update(&right.0);
    Digest(*hasher.finalize().as_bytes())
}

/// The largest power of two below `count`, which is at least 2.
const fn split(count: usize) -> usize {
    1 << (count - 1).ilog2()
}

/// The root of the tree over `leaves`; all zero if there is none.
#[must_use]
pub fn root(leaves: &[Digest]) -> Digest {
    match leaves {
        [] => Digest([0; 32]),
        [only] => *only,
        _ => {
            let (left, right) = leaves.split_at(split(leaves.len()));
            node(&root(left), &root(right))
        }
    }
}

/// The hashes that lead from the leaf at `index` to the root, nearest first.
///
/// # Panics
/// When there is no such leaf.
#[must_use]
pub fn proof(leaves: &[Digest], index: usize) -> Vec<Digest> {
    assert!(index < leaves.len(), "there are {} leaves, none at {index}", leaves.len());
    if leaves.len() == 1 {
        return Vec::new();
    }
    let (left, right) = leaves.split_at(split(leaves.len()));
    let (mut path, other) = if index < left.len() {
        (proof(left, index), root(right))
    } else {
        (proof(right, index - left.len()), root(left))
    };
    path.push(other);
    path
}

/// The root of a tree of `count` leaves with `leaf` at `index`, as `proof` has it; none if the proof does not have the
/// form that it has in such a tree.
#[must_use]
pub fn root_by(leaf: Digest, index: u64, count: u64, proof: &[Digest]) -> Option<Digest> {
    if index >= count {
        return None;
    }
    if count == 1 {
        return proof.is_empty().then_some(leaf);
    }
    let (other, below) = proof.split_last()?;
    let left = 1_u64 << (count - 1).ilog2();
    Some(if index < left {
        node(&root_by(leaf, index, left, below)?, other)
    } else {
        node(other, &root_by(leaf, index - left, count - left, below)?)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn leaves(count: usize) -> Vec<Digest> {
        (0..count).map(|at| leaf(&at.to_be_bytes())).collect()
    }

    #[test]
    fn every_leaf_of_every_small_tree_is_proven_where_it_stands_and_nowhere_else() {
        for count in 1..=33 {
            let leaves = leaves(count);
            let root = root(&leaves);
            for (index, leaf) in leaves.iter().enumerate() {
                let proof = proof(&leaves, index);
                assert!(proof.len() <= count.next_power_of_two().ilog2() as usize);
                for claimed in 0..count as u64 {
                    let proven = root_by(*leaf, claimed, count as u64, &proof) == Some(root);
                    assert_eq!(proven, claimed == index as u64, "{index} as {claimed} of {count}");
                }
                assert_ne!(root_by(super::leaf(b"another"), index as u64, count as u64, &proof), Some(root));
                assert_eq!(root_by(*leaf, count as u64, count as u64, &proof), None);
            }
        }
    }

    #[test]
    fn a_record_cannot_be_passed_for_an_inner_node() {
        let leaves = leaves(2);
        let forged = [leaves[0].0, leaves[1].0].concat();
        assert_ne!(leaf(&forged), root(&leaves));
    }

    #[test]
    fn the_shape_is_that_of_the_standard() {
        let [a, b, c, d, e] = leaves(5).try_into().unwrap();
        assert_eq!(root(&[a, b, c, d, e]), node(&node(&node(&a, &b), &node(&c, &d)), &e));
    }
}
