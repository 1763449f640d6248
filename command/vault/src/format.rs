//! The vault's file, format 1. Numbers are little-endian.
//!
//! ```text
//! header
//!      0    8  magic "OCVAULT" 1A
//!      8    2  format, 1
//!     10    1  kind: 1 vault, 2 export
//!     11    1  how the passphrase becomes a key: 1 Argon2id version 1.3
//!     12   12  its memory in KiB, passes, lanes (u32 each); at most 1 GiB, 10, 8
//!     24   32  its salt
//!     56   16  which vault (UUID)
//!     72    8  epoch: 1, and one more with each write of the file
//!     80    8  generation of the data key: 1, and one more with each rotation
//!     88   32  SHA-256 of the file that this one took the place of; zeros for the first
//!    120    1  slots in use: bit 0 passphrase, bit 1 recovery key
//!    121    3  zeros
//!    124   60  data key under the passphrase: nonce (12), ciphertext (32), tag (16)
//!    184   60  data key under the recovery key, alike; zeros if not in use
//!    244    4  entries
//!    248    8  bytes of the body
//!    256    4  CRC-32 of all before. Later formats keep it here, so that newer and damaged are told apart
//! body: entries, ascending by name, each
//!           2  bytes of the name, then the name, NAMESPACE/NAME in UTF-8
//!           8  version: 1, and one more with each value
//!           8  epoch of the file that it was written in first
//!          16  when it was made and changed, microseconds since 1970 (i64 each)
//!          12  nonce, random
//!           4  bytes of the ciphertext, then the ciphertext, then its tag (16)
//! end
//!          32  MAC of header and entries
//!           4  CRC-32 of body and MAC
//! ```
//!
//! Keys, where `derive(key, info)` is HKDF-SHA-256 with the vault's UUID as salt, and lists are length-prefixed:
//!
//! * data key: 32 random bytes; AES-256-GCM under `Argon2id(passphrase, salt)` and under `derive(recovery key, "recovery")`,
//!   each with its slot, kind, costs and salt, UUID and generation as associated data.
//! * entry: AES-256-GCM under `derive(data key, ["entry", name, version, epoch])`; associated data are UUID, name, version,
//!   epoch and times. The plaintext is the value's length (u32), the value, and zeros up to a multiple of 64 bytes.
//! * MAC: HMAC-SHA-256 under `derive(data key, "manifest")` over header (256 bytes) and, per entry, name, version, epoch,
//!   times, nonce and tag.
//! * fingerprint: the first 8 bytes of HMAC-SHA-256 under `derive(data key, "fingerprint")` over name and value.
//!
//! A checksum that does not fit is damage. A file that is whole and does not open under a passphrase is the wrong
//! passphrase; an entry that does not decrypt, or a MAC that does not fit, was tampered with.

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

use crate::{
    crypto::{KEY, NONCE, TAG},
    keys::Cost,
    name::Name,
};

const MAGIC: &[u8; 8] = b"OCVAULT\x1a";
const FORMAT: u16 = 1;
const ARGON2ID: u8 = 1;
/// Bytes of the header without its checksum.
const HEADER: usize = 256;
/// Longest value, in bytes.
pub const MAX_VALUE: usize = 64 << 10;
/// Most entries.
pub const MAX_ENTRIES: usize = 10_000;
/// Longest file, in bytes.
pub const MAX_FILE: usize = 64 << 20;
/// Longest ciphertext: a value with its length, padded.
const MAX_CIPHERTEXT: usize = (4 + MAX_VALUE).div_ceil(64) * 64;

/// Why bytes are no file of a vault. None says what is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// It does not begin as one.
    #[error("it does not begin like the file of a vault")]
    Magic,
    /// It ends early, or goes on after its end.
    #[error("it is not as long as it says")]
    Length,
    /// The checksum of the header does not fit.
    #[error("the checksum of its header does not fit")]
    Header,
    /// The checksum of the entries does not fit.
    #[error("the checksum of its entries does not fit")]
    Body,
    /// It is whole, and of a format that this program does not know.
    #[error("it has format {0}, which a newer program made")]
    Newer(u16),
    /// It asks for more time or memory than any vault does.
    #[error("it asks for more memory or time than a vault may")]
    Cost,
    /// The checksums fit, and what is in it makes no sense.
    #[error("it is no vault that this program writes")]
    Nonsense,
}

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A server's vault.
    Vault,
    /// A copy that was given out.
    Export,
}

/// The data key, encrypted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrapped {
    pub(crate) nonce: [u8; NONCE],
    pub(crate) key: [u8; KEY],
    pub(crate) tag: [u8; TAG],
}

/// An encrypted value, with all that is bound to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    pub(crate) version: u64,
    pub(crate) epoch: u64,
    pub(crate) created: i64,
    pub(crate) changed: i64,
    pub(crate) nonce: [u8; NONCE],
    pub(crate) ciphertext: Vec<u8>,
    pub(crate) tag: [u8; TAG],
}

/// A file of a vault: all that can be known without a key, and nothing of it proven genuine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sealed {
    pub(crate) kind: Kind,
    pub(crate) cost: Cost,
    pub(crate) salt: [u8; 32],
    pub(crate) vault: [u8; 16],
    pub(crate) epoch: u64,
    pub(crate) generation: u64,
    pub(crate) previous: [u8; 32],
    pub(crate) passphrase: Wrapped,
    pub(crate) recovery: Option<Wrapped>,
    pub(crate) records: BTreeMap<Name, Record>,
    pub(crate) mac: [u8; 32],
}

impl Sealed {
    /// The header as it is in the file, without its checksum.
    pub(crate) fn header(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(HEADER + 4);
        out.extend_from_slice(MAGIC);
        out.extend_from_slice(&FORMAT.to_le_bytes());
        out.push(self.kind_id());
        out.push(ARGON2ID);
        let (memory, passes, lanes) = self.cost.parts();
        for part in [memory, passes, lanes] {
            out.extend_from_slice(&part.to_le_bytes());
        }
        out.extend_from_slice(&self.salt);
        out.extend_from_slice(&self.vault);
        out.extend_from_slice(&self.epoch.to_le_bytes());
        out.extend_from_slice(&self.generation.to_le_bytes());
        out.extend_from_slice(&self.previous);
        out.extend_from_slice(&[1 | u8::from(self.recovery.is_some()) << 1, 0, 0, 0]);
        for slot in [Some(&self.passphrase), self.recovery.as_ref()] {
            match slot {
                Some(Wrapped { nonce, key, tag }) => {
                    out.extend_from_slice(nonce);
                    out.extend_from_slice(key);
                    out.extend_from_slice(tag);
                }
                None => out.extend_from_slice(&[0; NONCE + KEY + TAG]),
            }
        }
        let count = u32::try_from(self.records.len()).expect("at most MAX_ENTRIES");
        out.extend_from_slice(&count.to_le_bytes());
        let body: usize = self.records.iter().map(|(name, record)| record.bytes(name)).sum();
        out.extend_from_slice(&(body as u64).to_le_bytes());
        debug_assert_eq!(out.len(), HEADER);
        out
    }

    pub(crate) fn kind_id(&self) -> u8 {
        match self.kind {
            Kind::Vault => 1,
            Kind::Export => 2,
        }
    }
}

impl Record {
    /// Bytes in the file.
    fn bytes(&self, name: &Name) -> usize {
        2 + name.to_string().len() + 8 + 8 + 16 + NONCE + 4 + self.ciphertext.len() + TAG
    }
}

/// The bytes of a file. [`decode`] gives back what was written.
#[must_use]
pub fn encode(sealed: &Sealed) -> Vec<u8> {
    let mut out = sealed.header();
    out.extend_from_slice(&crc32fast::hash(&out).to_le_bytes());
    let body = out.len();
    for (name, record) in &sealed.records {
        let name = name.to_string();
        out.extend_from_slice(&u16::try_from(name.len()).expect("names are short").to_le_bytes());
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(&record.version.to_le_bytes());
        out.extend_from_slice(&record.epoch.to_le_bytes());
        out.extend_from_slice(&record.created.to_le_bytes());
        out.extend_from_slice(&record.changed.to_le_bytes());
        out.extend_from_slice(&record.nonce);
        let bytes = u32::try_from(record.ciphertext.len()).expect("values are short");
        out.extend_from_slice(&bytes.to_le_bytes());
        out.extend_from_slice(&record.ciphertext);
        out.extend_from_slice(&record.tag);
    }
    out.extend_from_slice(&sealed.mac);
    let checksum = crc32fast::hash(&out[body..]);
    out.extend_from_slice(&checksum.to_le_bytes());
    out
}

/// What identifies a file: SHA-256 of its bytes.
pub(crate) fn digest(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// Reads a file. Takes any bytes; time and memory are bounded by their length.
///
/// # Errors
/// [`Damage`]; what is returned encodes to exactly `bytes`.
pub fn decode(bytes: &[u8]) -> Result<Sealed, Damage> {
    if !bytes.starts_with(MAGIC) {
        return Err(Damage::Magic);
    }
    if bytes.len() > MAX_FILE {
        return Err(Damage::Length);
    }
    let (header, rest) = bytes.split_at_checked(HEADER).ok_or(Damage::Length)?;
    let (checksum, rest) = rest.split_first_chunk().ok_or(Damage::Length)?;
    if crc32fast::hash(header) != u32::from_le_bytes(*checksum) {
        return Err(Damage::Header);
    }
    let mut reader = Reader(&header[MAGIC.len()..]);
    let format = u16::from_le_bytes(reader.take()?);
    if format != FORMAT {
        return Err(Damage::Newer(format));
    }
    let [kind, kdf] = reader.take()?;
    let kind = match kind {
        1 => Kind::Vault,
        2 => Kind::Export,
        _ => return Err(Damage::Nonsense),
    };
    if kdf != ARGON2ID {
        return Err(Damage::Nonsense);
    }
    let cost = Cost::new(reader.u32()?, reader.u32()?, reader.u32()?).ok_or(Damage::Cost)?;
    let (salt, vault) = (reader.take()?, reader.take()?);
    let (epoch, generation, previous) = (reader.u64()?, reader.u64()?, reader.take()?);
    let [slots, zeros @ ..]: [u8; 4] = reader.take()?;
    let passphrase = reader.wrapped()?;
    let recovery = reader.wrapped()?;
    let recovery = match slots {
        1 if recovery.is_zero() => None,
        3 => Some(recovery),
        _ => return Err(Damage::Nonsense),
    };
    let (count, body_bytes) = (reader.u32()?, reader.u64()?);
    if zeros != [0; 3] || epoch == 0 || generation == 0 || count as usize > MAX_ENTRIES {
        return Err(Damage::Nonsense);
    }

    let (end, body) = rest.split_last_chunk().map(|(before, end)| (end, before)).ok_or(Damage::Length)?;
    if body.len() as u64 != body_bytes.checked_add(32).ok_or(Damage::Length)? {
        return Err(Damage::Length);
    }
    if crc32fast::hash(body) != u32::from_le_bytes(*end) {
        return Err(Damage::Body);
    }
    let mut reader = Reader(body);
    let mut records = BTreeMap::new();
    for _ in 0..count {
        let (name, record) = reader.record()?;
        if records.last_key_value().is_some_and(|(last, _)| before(&name, last)) {
            return Err(Damage::Nonsense);
        }
        records.insert(name, record);
    }
    let mac = reader.take()?;
    if !reader.0.is_empty() {
        return Err(Damage::Nonsense);
    }
    Ok(Sealed { kind, cost, salt, vault, epoch, generation, previous, passphrase, recovery, records, mac })
}

/// Whether `name` is not behind `last`, in the order of the file.
fn before(name: &Name, last: &Name) -> bool {
    name <= last
}

impl Wrapped {
    fn is_zero(&self) -> bool {
        self.nonce == [0; NONCE] && self.key == [0; KEY] && self.tag == [0; TAG]
    }
}

/// Takes fields from the front.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn slice(&mut self, bytes: usize) -> Result<&'a [u8], Damage> {
        let (taken, rest) = self.0.split_at_checked(bytes).ok_or(Damage::Nonsense)?;
        self.0 = rest;
        Ok(taken)
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], Damage> {
        Ok(self.slice(N)?.try_into().expect("as many as were asked for"))
    }

    fn u32(&mut self) -> Result<u32, Damage> {
        self.take().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, Damage> {
        self.take().map(u64::from_le_bytes)
    }

    fn wrapped(&mut self) -> Result<Wrapped, Damage> {
        Ok(Wrapped { nonce: self.take()?, key: self.take()?, tag: self.take()? })
    }

    fn record(&mut self) -> Result<(Name, Record), Damage> {
        let bytes = usize::from(u16::from_le_bytes(self.take()?));
        let name = std::str::from_utf8(self.slice(bytes)?).ok().and_then(Name::parse);
        let name = name.ok_or(Damage::Nonsense)?;
        let (version, epoch) = (self.u64()?, self.u64()?);
        let (created, changed) = (i64::from_le_bytes(self.take()?), i64::from_le_bytes(self.take()?));
        let nonce = self.take()?;
        let bytes = self.u32()? as usize;
        if bytes > MAX_CIPHERTEXT || version == 0 || epoch == 0 {
            return Err(Damage::Nonsense);
        }
        let ciphertext = self.slice(bytes)?.to_vec();
        let tag = self.take()?;
        Ok((name, Record { version, epoch, created, changed, nonce, ciphertext, tag }))
    }
}
