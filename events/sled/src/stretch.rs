//! Values by position in a row of short trees, instead of one tree that holds them all.
//!
//! sled writes a leaf again, with everything in it, after every tenth change. A tree that gets fewer changes than that
//! is written once; in one that grows, each byte is written two to five times, and the file stays that large.

use openclaw_log::ReadError;
use openclaw_model::Position;

use crate::db::{Db, DbError};

/// Changes that a tree may get before sled writes its leaf again, with a margin.
pub(crate) const CHANGES: u32 = 8;

/// The values from a position on, up to the next stretch. The tree's name is that position, big-endian, and so are
/// its keys.
#[derive(Clone)]
pub(crate) struct Stretch {
    first: Position,
    pub(crate) tree: sled::Tree,
}

impl Stretch {
    /// Creates the stretch that begins at `first`, or opens it.
    pub(crate) fn open(db: &Db, first: Position) -> Result<Self, DbError> {
        Ok(Self { first, tree: db.open_tree(&key(first))? })
    }

    /// All stretches of a database, in order.
    pub(crate) fn all(db: &Db) -> Result<Vec<Self>, DbError> {
        let mut firsts: Vec<Position> = db.tree_names().iter().filter_map(|name| position_of(name)).collect();
        firsts.sort_unstable();
        firsts.into_iter().map(|first| Self::open(db, first)).collect()
    }

    /// The value that holds `from`, and those after it in this stretch; all if `from` lies before it.
    fn from(&self, from: Position) -> sled::Iter {
        match self.tree.range(..=key(from)).next_back() {
            Some(Ok((start, _))) => self.tree.range(start..),
            // Nothing before it: a gap is seen by the caller. An error is met again on the way.
            None | Some(Err(_)) => self.tree.iter(),
        }
    }
}

/// The values of `stretches` from the one that holds `from` on, with their positions. A key that is no position is
/// given as none.
pub(crate) fn values(
    stretches: &[Stretch],
    from: Position,
) -> impl Iterator<Item = Result<(Option<Position>, sled::IVec), ReadError>> + use<> {
    let start = stretches.partition_point(|stretch| stretch.first <= from).saturating_sub(1);
    let stretches = stretches[start..].to_vec();
    stretches.into_iter().flat_map(move |stretch| stretch.from(from)).map(move |pair| {
        let (key, value) = pair.map_err(|error| DbError::from(error).at(from))?;
        Ok((position_of(&key), value))
    })
}

pub(crate) fn key(position: Position) -> [u8; 8] {
    position.0.to_be_bytes()
}

fn position_of(key: &[u8]) -> Option<Position> {
    key.try_into().ok().map(u64::from_be_bytes).map(Position)
}
