//! A disk that can fail, and that knows what a power cut would leave of it.
#![allow(dead_code, unreachable_pub, reason = "every test binary uses a part of it")]
#![allow(clippy::unwrap_used, reason = "test code: a panic is the report")]

use std::{
    collections::HashMap,
    ffi::OsString,
    fs::{self, File},
    io,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    sync::{
        Mutex,
        atomic::{AtomicI64, AtomicU64, Ordering::SeqCst},
    },
};

use openclaw_log::{EventLog, Head, conformance::Author};
use openclaw_sled::{Options, SledLog, disk::Disk};

/// Small random numbers from a seed.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 16) % bound.max(1)
    }
}

/// What is durable: the content of files and the names in directories as of their last sync, by inode.
#[derive(Default)]
struct Durable {
    content: HashMap<u64, Vec<u8>>,
    names: HashMap<u64, Vec<(OsString, u64, bool)>>,
}

/// Counts durability steps, fails them on demand, and can cut the power at one of them.
pub struct FaultDisk {
    root: PathBuf,
    durable: Mutex<Durable>,
    pub syncs: AtomicU64,
    pub writes: AtomicU64,
    pub free: AtomicU64,
    /// The sync, counted down, that fails; negative for none. Every later one fails too.
    pub fail_sync_in: AtomicI64,
    /// The same for writes.
    pub fail_write_in: AtomicI64,
    /// At which failing sync to leave the remains of a power cut, and where.
    cut: Mutex<Option<(PathBuf, Dice)>>,
}

impl FaultDisk {
    pub fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            durable: Mutex::default(),
            syncs: AtomicU64::new(0),
            writes: AtomicU64::new(0),
            free: AtomicU64::new(u64::MAX),
            fail_sync_in: AtomicI64::new(-1),
            fail_write_in: AtomicI64::new(-1),
            cut: Mutex::new(None),
        }
    }

    /// Everything that lies in the root now is durable: the machine was just started.
    pub fn settled(self) -> Self {
        self.remember_tree(&self.root.clone());
        self
    }

    /// At the `nth` sync from now the power goes: it and everything after it fails, and `remains` gets what a disk
    /// may hold then.
    pub fn cut_power_at(&self, nth: i64, remains: &Path, dice: Dice) {
        *self.cut.lock().unwrap() = Some((remains.to_owned(), dice));
        self.fail_sync_in.store(nth, SeqCst);
    }

    fn remember_tree(&self, dir: &Path) {
        if let Ok(entries) = fs::read_dir(dir) {
            for path in entries.flatten().map(|entry| entry.path()) {
                if path.is_dir() {
                    self.remember_tree(&path);
                } else {
                    self.remember_file(&path);
                }
            }
            self.remember_names(dir);
        }
    }

    fn remember_file(&self, path: &Path) {
        if let (Ok(metadata), Ok(content)) = (fs::metadata(path), fs::read(path)) {
            self.durable.lock().unwrap().content.insert(metadata.ino(), content);
        }
    }

    fn remember_names(&self, dir: &Path) {
        let (Ok(metadata), Ok(entries)) = (fs::metadata(dir), fs::read_dir(dir)) else { return };
        let names = entries
            .flatten()
            .filter_map(|entry| {
                Some((entry.file_name(), entry.metadata().ok()?.ino(), entry.path().is_dir()))
            })
            .collect();
        self.durable.lock().unwrap().names.insert(metadata.ino(), names);
    }

    fn fails(countdown: &AtomicI64) -> bool {
        match countdown.load(SeqCst) {
            left if left < 0 => false,
            0 => true,
            _ => {
                countdown.fetch_sub(1, SeqCst);
                false
            }
        }
    }

    fn sync_or_fail(&self) -> io::Result<()> {
        self.syncs.fetch_add(1, SeqCst);
        if !Self::fails(&self.fail_sync_in) {
            return Ok(());
        }
        if let Some((remains, mut dice)) = self.cut.lock().unwrap().take() {
            let live = inodes(&self.root);
            let root = fs::metadata(&self.root).unwrap().ino();
            self.leave(root, &remains, &live, &mut dice);
        }
        Err(io::Error::other("injected: fsync failed"))
    }

    /// Writes what the directory `ino` holds after the cut: durable names and content, and of everything that was
    /// written since the last sync nothing, a beginning, or any part.
    fn leave(&self, ino: u64, to: &Path, live: &HashMap<u64, PathBuf>, dice: &mut Dice) {
        fs::create_dir_all(to).unwrap();
        let (names, contents) = {
            let durable = self.durable.lock().unwrap();
            let names = durable.names.get(&ino).cloned().unwrap_or_default();
            let contents: HashMap<u64, Vec<u8>> = names
                .iter()
                .filter_map(|(_, ino, _)| Some((*ino, durable.content.get(ino)?.clone())))
                .collect();
            (names, contents)
        };
        for (name, ino, is_dir) in names {
            let to = to.join(name);
            if is_dir {
                self.leave(ino, &to, live, dice);
            } else {
                let synced = contents.get(&ino).cloned().unwrap_or_default();
                let now = live.get(&ino).and_then(|path| fs::read(path).ok()).unwrap_or_default();
                fs::write(to, torn(synced, &now, dice)).unwrap();
            }
        }
    }
}

/// What may be on disk if `synced` is what was synced and `now` what was written last.
fn torn(mut synced: Vec<u8>, now: &[u8], dice: &mut Dice) -> Vec<u8> {
    const BLOCK: usize = 512;
    let changed: Vec<usize> = (0..now.len().div_ceil(BLOCK))
        .filter(|block| {
            let range = |bytes: &[u8]| {
                bytes
                    .get(block * BLOCK..)
                    .map(|rest| rest[..rest.len().min(BLOCK)].to_vec())
                    .unwrap_or_default()
            };
            range(&synced) != range(now)
        })
        .collect();
    let kept: Vec<usize> = match dice.below(4) {
        0 => Vec::new(),
        1 => changed.clone(),
        2 => changed[..dice.below(changed.len() as u64 + 1) as usize].to_vec(),
        _ => changed.iter().copied().filter(|_| dice.below(2) == 0).collect(),
    };
    let tear = dice.below(2) == 0;
    for (index, block) in kept.iter().enumerate() {
        let start = block * BLOCK;
        let mut end = now.len().min(start + BLOCK);
        if tear && index + 1 == kept.len() {
            end = start + dice.below((end - start) as u64 + 1) as usize;
        }
        if synced.len() < end {
            synced.resize(end, 0);
        }
        synced[start..end].copy_from_slice(&now[start..end]);
    }
    synced
}

fn inodes(dir: &Path) -> HashMap<u64, PathBuf> {
    let mut found = HashMap::new();
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(inodes(&path));
        } else if let Ok(metadata) = entry.metadata() {
            found.insert(metadata.ino(), path);
        }
    }
    found
}

impl Disk for FaultDisk {
    fn before_write(&self, _: &Path, _: usize) -> io::Result<()> {
        self.writes.fetch_add(1, SeqCst);
        if Self::fails(&self.fail_write_in) {
            return Err(io::Error::new(io::ErrorKind::StorageFull, "injected: no space left on device"));
        }
        Ok(())
    }

    fn sync(&self, path: &Path, _: &File) -> io::Result<()> {
        self.sync_or_fail()?;
        self.remember_file(path);
        Ok(())
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.sync_or_fail()?;
        self.remember_names(dir);
        Ok(())
    }

    fn free_bytes(&self, _: &Path) -> io::Result<u64> {
        Ok(self.free.load(SeqCst))
    }
}

/// Options without a reserve, with segments of a few dozen events.
pub fn tiny() -> Options {
    Options { segment_events: 60, reserve_bytes: 0, ..Options::default() }
}

/// Appends `turns` small groups of commands; stops at the first that is refused. Returns the last acknowledged head.
pub async fn append_some(log: &SledLog, author: &mut Author, turns: usize) -> Head {
    let mut acknowledged = log.head();
    for turn in 0..turns {
        let name = format!("s{}", turn % 5);
        let size = if turn % 13 == 12 { 20_000 } else { 30 + turn % 400 };
        let (frames, expected) = author.frames(vec![(&name, vec![size, 40]), ("all", vec![100])]);
        match log.append(frames, expected).await {
            Ok(head) => acknowledged = head,
            Err(_) => break,
        }
    }
    acknowledged
}

/// An author that goes on where `log` ends.
pub async fn author_of(log: &SledLog) -> Author {
    let mut author = Author::new(log.head());
    for name in ["s0", "s1", "s2", "s3", "s4", "all"] {
        if let Some(head) = log.stream_head(&Author::stream(name)).unwrap() {
            author.knows(name, head.version);
        }
    }
    author
}

pub fn copy_tree(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_tree(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// All files below `dir`, sorted.
pub fn files(dir: &Path) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = inodes(dir).into_values().collect();
    found.sort();
    found
}
