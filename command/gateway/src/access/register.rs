//! Who there is: tokens, users and their sessions, folded from the log.
//!
//! The register is derived. Its file is a cache of the fold up to a position: when it is missing, unreadable or ahead of
//! the log, everything is read again. It holds hashes only, and only its owner may read it.

use std::{
    collections::{BTreeMap, HashMap},
    fs,
    io::{self, Write},
    os::unix::fs::OpenOptionsExt,
    path::{Path, PathBuf},
};

use futures_util::StreamExt;
use openclaw_core::{Decider, token, user};
use openclaw_log::EventLog;
use openclaw_model::{Digest, Event, Position, StreamId, StreamKind, Timestamp, Version};
use serde::{Deserialize, Serialize};
use subtle::ConstantTimeEq;

use super::live::Proof;
use crate::sequencer::Refused;

/// Positions after which the file is written again.
const STRIDE: u64 = 8_192;

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
struct Folded {
    position: Position,
    /// Time of the newest event of the log, whatever its stream.
    at: Timestamp,
    tokens: BTreeMap<String, token::State>,
    users: BTreeMap<String, user::State>,
}

/// Tokens, users and sessions as of a position.
#[derive(Debug)]
pub struct Register {
    path: PathBuf,
    saved: Position,
    folded: Folded,
    /// Names of tokens by their hash.
    hashes: HashMap<Digest, String>,
    /// Names of users by the hash of a session's cookie.
    sessions: HashMap<Digest, String>,
}

impl Register {
    /// Brings the register in the file at `path` up to the head of `log`. Cost: reads what was appended since the file
    /// was written; all of the log if it is missing.
    ///
    /// # Errors
    /// [`Refused::Unreadable`] when the log or an event cannot be read.
    pub async fn load<L: EventLog>(log: &L, path: &Path) -> Result<Self, Refused> {
        let head = log.head().position;
        let folded = fs::read(path)
            .ok()
            .and_then(|bytes| serde_json::from_slice::<Folded>(&bytes).ok())
            .filter(|folded| folded.position <= head)
            .unwrap_or_default();
        let mut register = Self {
            path: path.to_owned(),
            saved: folded.position,
            folded,
            hashes: HashMap::new(),
            sessions: HashMap::new(),
        };
        register.index();
        let mut history = log.read(register.folded.position.next());
        while let Some(batch) = history.next().await {
            for recorded in batch?.iter() {
                let event = match recorded.stream.kind() {
                    StreamKind::Token | StreamKind::User => {
                        Some(recorded.decode().map_err(|error| Refused::Unreadable(error.to_string()))?)
                    }
                    _ => None,
                };
                let place = (recorded.position, recorded.version, recorded.at);
                register.follow(&recorded.stream, place, event.as_slice());
            }
        }
        Ok(register)
    }

    fn index(&mut self) {
        for (name, token) in &self.folded.tokens {
            if let Some(issued) = &token.issued {
                self.hashes.insert(issued.hash, name.clone());
            }
        }
        for (name, user) in &self.folded.users {
            self.sessions.extend(user.sessions.keys().map(|session| (*session, name.clone())));
        }
    }

    /// Position of the last event that was folded.
    pub(super) fn position(&self) -> Position {
        self.folded.position
    }

    /// Time of that event.
    pub(super) fn at(&self) -> Timestamp {
        self.folded.at
    }

    /// Folds the events of one stream in, the last of which stands at `place`. Answers what counts no more, or no more
    /// as it did.
    pub(super) fn follow(
        &mut self,
        stream: &StreamId,
        (position, version, at): (Position, Version, Timestamp),
        events: &[Event],
    ) -> Vec<Proof> {
        if position <= self.folded.position {
            return Vec::new();
        }
        (self.folded.position, self.folded.at) = (position, self.folded.at.max(at));
        let mut ended = Vec::new();
        for event in events {
            match event {
                Event::Token(event) => {
                    let name = stream.name();
                    let state = self.folded.tokens.entry(name.to_owned()).or_default();
                    token::Token::evolve(state, event, version, at);
                    if let Some(issued) = &state.issued {
                        self.hashes.insert(issued.hash, name.to_owned());
                    }
                    if state.revoked.is_some() {
                        ended.push(Proof::Token(name.to_owned()));
                    }
                }
                Event::User(event) => {
                    let name = stream.name();
                    let state = self.folded.users.entry(name.to_owned()).or_default();
                    let before: Vec<Digest> = state.sessions.keys().copied().collect();
                    let account = state.account.clone();
                    user::User::evolve(state, event, version, at);
                    let changed = account != state.account;
                    for session in before {
                        let gone = !state.sessions.contains_key(&session);
                        if gone {
                            self.sessions.remove(&session);
                        }
                        if gone || changed {
                            ended.push(Proof::Session { user: name.to_owned(), session });
                        }
                    }
                    let now = state.sessions.keys().map(|session| (*session, name.to_owned()));
                    self.sessions.extend(now);
                    if state.account.is_none() {
                        // Somebody of the same name who is added later is somebody else.
                        self.folded.users.remove(name);
                    }
                }
                _ => {}
            }
        }
        if position.0 - self.saved.0 >= STRIDE {
            self.save_or_warn();
        }
        ended
    }

    /// The token of this hash, if it counts at `now`.
    pub(super) fn token_of(&self, hash: &Digest, now: Timestamp) -> Option<(&str, &token::State)> {
        let (hash_kept, name) = self.hashes.get_key_value(hash)?;
        let state = self.folded.tokens.get(name)?;
        state.grants(now)?;
        bool::from(hash_kept.0.ct_eq(&hash.0)).then_some((name, state))
    }

    /// The user of this session, if it is not over at `now`.
    pub(super) fn user_of(&self, session: &Digest, now: Timestamp) -> Option<(&str, &user::Account)> {
        let (kept, name) = self.sessions.get_key_value(session)?;
        let state = self.folded.users.get(name)?;
        let expires = state.sessions.get(session)?;
        let counts = now < *expires && bool::from(kept.0.ct_eq(&session.0));
        counts.then_some(()).and(state.account.as_ref()).map(|account| (name.as_str(), account))
    }

    /// Whether a proof counts at `now`.
    pub(super) fn counts(&self, proof: &Proof, now: Timestamp) -> bool {
        match proof {
            Proof::Bootstrap => true,
            Proof::Token(name) => self.token(name).is_some_and(|token| token.grants(now).is_some()),
            Proof::Session { session, .. } => self.user_of(session, now).is_some(),
        }
    }

    pub(super) fn token(&self, name: &str) -> Option<&token::State> {
        self.folded.tokens.get(name).filter(|token| token.issued.is_some())
    }

    pub(super) fn user(&self, name: &str) -> Option<&user::State> {
        self.folded.users.get(name)
    }

    /// Every token that was ever issued, by name.
    pub(super) fn tokens(&self) -> impl Iterator<Item = (&str, &token::State)> {
        self.folded.tokens.iter().map(|(name, token)| (name.as_str(), token))
    }

    /// Every user there is, by name.
    pub(super) fn users(&self) -> impl Iterator<Item = (&str, &user::State)> {
        self.folded.users.iter().map(|(name, user)| (name.as_str(), user))
    }

    pub(super) fn save_or_warn(&mut self) {
        // Whatever came of it, not again for every event.
        self.saved = self.folded.position;
        if let Err(error) = self.save() {
            tracing::warn!(%error, "the register of access was not saved; the next start reads the log instead");
        }
    }

    /// Whole or not at all. Not synced: after a power cut an older one, or none, serves as well.
    fn save(&self) -> io::Result<()> {
        let temporary = self.path.with_extension("new");
        let mut file =
            fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
        file.write_all(&serde_json::to_vec(&self.folded)?)?;
        fs::rename(&temporary, &self.path)
    }
}
