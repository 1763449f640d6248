//! Who may come in, and as whom: tokens of programs, passwords and sessions of people.
//!
//! Everything is decided by what the log says, folded in memory and fed by every commit. Invariant: a command about a
//! token or a user is answered only after what it says counts here, so that the next request meets it.

mod attempts;
mod live;
mod login;
mod notices;
mod password;
mod register;
#[cfg(test)]
mod tests;
mod text;

use std::{
    collections::HashMap,
    fmt,
    net::IpAddr,
    sync::{
        Arc, Mutex, PoisonError, RwLock,
        atomic::{AtomicI64, Ordering},
    },
    time::Duration,
};

use openclaw_core::{journal, token, user};
use openclaw_model::{
    Actor, CommandDigest, CommandId, Digest, Position, StreamId, StreamKind, Timestamp,
    access::{Grants, Need},
    envelope::Causality,
};
use openclaw_ports::{Clock, Ids};
use tokio::{
    sync::{Notify, mpsc, watch},
    time::{Instant, MissedTickBehavior, interval},
};
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

pub use live::{Proof, Validity};
pub use login::{Login, LoginError};
pub use password::{Error as PasswordError, MIN_CHARS, Pepper, PepperSource};
pub use register::Register;
pub use text::{Random, is_name};

use self::{
    attempts::Attempts,
    live::Live,
    notices::{Notice, Notices},
    password::Passwords,
};
use crate::{
    Sequencer,
    rpc::{Caller, context::Person},
    sequencer::{Accepted, Command, Commits, Expected, Refused, Submission},
};

/// The name in `token:NAME` of the token of the data directory; no other token has it.
pub const BOOTSTRAP: &str = "operator";
/// Use of a token is recorded at most this often.
const SEEN_MS: u64 = 3_600_000;
/// A session that nobody uses is over after this.
const IDLE: Duration = Duration::from_secs(30 * 60);
/// A session is over after this, however it is used.
const SESSION_MS: u64 = 12 * 3_600_000;
/// How often open sockets and sessions are looked at.
const SWEEP: Duration = Duration::from_millis(250);
/// Uses that wait to be recorded; more are left out, and recorded at the next use.
const WAITING: usize = 256;

/// Somebody who has proved who they are.
#[derive(Clone, Debug)]
pub struct Identity {
    /// As the methods see them.
    pub caller: Caller,
    /// What they proved it with.
    pub proof: Proof,
}

/// What is to be recorded beside what somebody asked for.
#[derive(Debug)]
enum Record {
    Seen { name: String, address: Option<String> },
    LogOut { user: String, session: Digest },
}

/// What access works with.
pub struct Parts {
    /// Where events go.
    pub sequencer: Sequencer,
    /// The wall clock.
    pub clock: Arc<dyn Clock>,
    /// Fresh ids.
    pub ids: Arc<dyn Ids>,
    /// The source of secrets.
    pub random: Random,
    /// The key of passwords' hashes.
    pub pepper: PepperSource,
}

/// Decides who may come in. Cheap to clone.
#[derive(Clone)]
pub struct Access {
    inner: Arc<Inner>,
}

struct Inner {
    register: RwLock<Register>,
    live: Mutex<Live>,
    /// When each session was used last, in this process.
    used: Mutex<HashMap<Digest, Instant>>,
    began: Instant,
    /// The highest time that was ever seen, in microseconds: a clock that is set back revives nothing.
    latest: AtomicI64,
    followed: watch::Sender<Position>,
    attempts: Mutex<Attempts>,
    notices: Mutex<Notices>,
    noticed: Notify,
    records: mpsc::Sender<Record>,
    passwords: Passwords,
    random: Random,
    sequencer: Sequencer,
    clock: Arc<dyn Clock>,
    ids: Arc<dyn Ids>,
    stopping: CancellationToken,
    stopped: watch::Sender<bool>,
}

impl fmt::Debug for Access {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Access(..)")
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    // What is kept under these locks is whole after every statement.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Access {
    /// Makes the access of a log and its task, which the caller runs until the sequencer is closed. `register` has what
    /// the log says up to the first of `commits`.
    pub fn new(
        parts: Parts,
        register: Register,
        commits: Commits,
    ) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let Parts { sequencer, clock, ids, random, pepper } = parts;
        let (records, waiting) = mpsc::channel(WAITING);
        let inner = Inner {
            latest: AtomicI64::new(register.at().as_micros()),
            followed: watch::Sender::new(register.position()),
            register: RwLock::new(register),
            live: Mutex::default(),
            used: Mutex::default(),
            began: Instant::now(),
            attempts: Mutex::default(),
            notices: Mutex::default(),
            noticed: Notify::new(),
            records,
            passwords: Passwords::new(pepper, random.clone()),
            random,
            sequencer,
            clock,
            ids,
            stopping: CancellationToken::new(),
            stopped: watch::Sender::new(false),
        };
        let access = Self { inner: Arc::new(inner) };
        let (follower, recorder) = (access.clone(), access.clone());
        let task = async move {
            tokio::join!(follower.follow(commits), recorder.record(waiting));
        };
        (access, task)
    }

    /// Records what has been counted and takes nothing more. The task ends when the sequencer is closed.
    pub async fn stop(&self) {
        self.inner.stopping.cancel();
        // An error means that the task is gone, which is as good as an end.
        let _ = self.inner.stopped.subscribe().wait_for(|stopped| *stopped).await;
    }

    /// Whoever holds this token, if it counts.
    #[must_use]
    pub fn token(&self, text: &str, address: Option<IpAddr>) -> Option<Identity> {
        if !text::is_token(text) {
            return None;
        }
        let now = self.now();
        let register = self.read();
        let (name, state) = register.token_of(&text::hash(text), now)?;
        let grants = Arc::new(state.grants(now)?.clone());
        let name = name.to_owned();
        let stale = state.seen.is_none_or(|seen| now.millis_since(seen) >= SEEN_MS);
        drop(register);
        if stale {
            // What does not fit is recorded at the next use.
            let address = address.map(|address| address.to_string());
            let _ = self.inner.records.try_send(Record::Seen { name: name.clone(), address });
        }
        let caller = Caller { actor: Actor(format!("token:{name}").into()), grants, person: None };
        Some(Identity { caller, proof: Proof::Token(name) })
    }

    /// Whose session this cookie is, if it is not over. Counts as a use of it.
    #[must_use]
    pub fn session(&self, cookie: &str) -> Option<Identity> {
        if !text::is_secret(cookie) {
            return None;
        }
        let (session, now) = (text::hash(cookie), self.now());
        let register = self.read();
        let (name, account) = register.user_of(&session, now)?;
        let (name, account) = (name.to_owned(), account.clone());
        drop(register);
        if self.is_idle(&session) {
            return None;
        }
        locked(&self.inner.used).insert(session, Instant::now());
        let roles = account.groups.iter().cloned().chain([account.role.as_str().to_owned()]).collect();
        let caller = Caller {
            actor: Actor(format!("user:{name}").into()),
            grants: Arc::new(account.role.grants(&account.namespaces)),
            person: Some(Person { name: name.clone(), roles }),
        };
        Some(Identity { caller, proof: Proof::Session { user: name, session } })
    }

    /// Fires when `proof` counts no more, within a quarter of a second; at once when it does not count by now.
    #[must_use]
    pub fn watch(&self, proof: &Proof) -> Validity {
        let validity = locked(&self.inner.live).watch(proof);
        // Looked at after it is watched, so that what ends between the two is not missed.
        if self.counts(proof) { validity } else { Validity::over() }
    }

    /// Records that a caller was refused `what`, for want of `needs`.
    pub fn denied(&self, caller: &Actor, what: &str, needs: Need) {
        let caller = caller.0.clone().into_owned();
        self.note(Notice::Denied { caller, what: what.to_owned(), needs: needs.to_string() });
    }

    /// Records that somebody did not prove who they are: with a token that is none, or as `user`.
    pub fn unproven(&self, user: Option<&str>, address: Option<IpAddr>) {
        // Only names that there are: what else was typed there may be a password.
        let user = user.filter(|user| self.read().user(user).is_some()).map(ToOwned::to_owned);
        self.note(Notice::LoginFailed { user, address: address.map(|address| address.to_string()) });
    }

    /// Now, and never before a time that was seen.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        let now = self.inner.clock.now().as_micros();
        Timestamp::from_micros(self.inner.latest.fetch_max(now, Ordering::AcqRel).max(now))
    }

    /// When the proof of `actor` counts no more, if it is a token that expires.
    pub(crate) fn expiry_of(&self, actor: &Actor) -> Option<Timestamp> {
        let name = actor.0.strip_prefix("token:")?;
        self.read().token(name)?.issued.as_ref()?.expires
    }

    /// What a token may do, whether it counts or not.
    pub(crate) fn token_grants(&self, name: &str) -> Option<Grants> {
        Some(self.read().token(name)?.issued.as_ref()?.grants.clone())
    }

    /// A user's account.
    #[must_use]
    pub fn account(&self, name: &str) -> Option<user::Account> {
        self.read().user(name)?.account.clone()
    }

    /// Every token, by name.
    pub(crate) fn tokens(&self) -> Vec<(String, token::State)> {
        self.read().tokens().map(|(name, token)| (name.to_owned(), token.clone())).collect()
    }

    /// Every user, by name.
    pub(crate) fn users(&self) -> Vec<(String, user::State)> {
        self.read().users().map(|(name, user)| (name.to_owned(), user.clone())).collect()
    }

    /// A fresh token and its hash.
    pub(crate) fn fresh_token(&self) -> (Zeroizing<String>, Digest) {
        let token = text::token(&self.inner.random);
        let hash = text::hash(&token);
        (token, hash)
    }

    /// The hash of a new password.
    pub(crate) async fn hash_password(
        &self,
        name: &str,
        password: Zeroizing<String>,
    ) -> Result<String, PasswordError> {
        let first = self.read().users().all(|(_, user)| user.account.is_none());
        self.inner.passwords.hash(name, password, first).await
    }

    /// Waits until the event at `position` counts here.
    pub(crate) async fn reached(&self, position: Position) {
        // An error means that the task is gone: the server stops.
        let _ = self.inner.followed.subscribe().wait_for(|followed| *followed >= position).await;
    }

    fn read(&self) -> std::sync::RwLockReadGuard<'_, Register> {
        self.inner.register.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn counts(&self, proof: &Proof) -> bool {
        let idle = matches!(proof, Proof::Session { session, .. } if self.is_idle(session));
        !idle && self.read().counts(proof, self.now())
    }

    fn is_idle(&self, session: &Digest) -> bool {
        let used = locked(&self.inner.used).get(session).copied().unwrap_or(self.inner.began);
        used.elapsed() >= IDLE
    }

    fn note(&self, notice: Notice) {
        if locked(&self.inner.notices).note(notice, Instant::now()) {
            self.inner.noticed.notify_one();
        }
    }

    /// Folds commits in until the sequencer is gone, and looks after open sockets and idle sessions.
    async fn follow(&self, mut commits: Commits) {
        let mut sweep = interval(SWEEP);
        sweep.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                commit = commits.recv() => {
                    let Some(commit) = commit else { break };
                    self.inner.latest.fetch_max(commit.at.as_micros(), Ordering::AcqRel);
                    let place = (commit.position, commit.version, commit.at);
                    let mut register = self.inner.register.write().unwrap_or_else(PoisonError::into_inner);
                    let ended = register.follow(&commit.stream, place, &commit.events);
                    drop(register);
                    if !ended.is_empty() {
                        let mut live = locked(&self.inner.live);
                        ended.iter().for_each(|proof| live.end(proof));
                    }
                    self.inner.followed.send_replace(commit.position);
                }
                _ = sweep.tick() => self.sweep(),
            }
        }
        self.inner.register.write().unwrap_or_else(PoisonError::into_inner).save_or_warn();
        // Nobody waits for what cannot come.
        self.inner.followed.send_replace(Position(u64::MAX));
    }

    fn sweep(&self) {
        locked(&self.inner.live).sweep(|proof| self.counts(proof));
        let now = self.now();
        let mut idle = Vec::new();
        {
            let register = self.read();
            locked(&self.inner.used).retain(|session, used| {
                let Some((user, _)) = register.user_of(session, now) else { return false };
                if used.elapsed() >= IDLE {
                    idle.push((user.to_owned(), *session));
                }
                true
            });
        }
        for (user, session) in idle {
            // Recorded, so that a restart does not revive it. What does not fit comes with the next sweep.
            let _ = self.inner.records.try_send(Record::LogOut { user, session });
        }
    }

    /// Records uses and refusals until it is stopped.
    async fn record(&self, mut waiting: mpsc::Receiver<Record>) {
        let mut gather = interval(Duration::from_secs(1));
        gather.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                Some(record) = waiting.recv() => self.write(record).await,
                () = self.inner.noticed.notified() => self.write_notices(false).await,
                _ = gather.tick() => self.write_notices(false).await,
                () = self.inner.stopping.cancelled() => break,
            }
        }
        self.write_notices(true).await;
        self.inner.stopped.send_replace(true);
    }

    async fn write(&self, record: Record) {
        let (kind, name, command): (_, _, Command) = match record {
            Record::Seen { name, address } => {
                // Several requests may have asked for it while it was on its way.
                let now = self.now();
                let seen = self.read().token(&name).and_then(|token| token.seen);
                if seen.is_some_and(|seen| now.millis_since(seen) < SEEN_MS) {
                    return;
                }
                (StreamKind::Token, name, token::Command::See { address }.into())
            }
            Record::LogOut { user, session } => {
                if self.read().user_of(&session, self.now()).is_none() {
                    return;
                }
                (StreamKind::User, user, user::Command::LogOut { session }.into())
            }
        };
        let Ok(stream) = StreamId::new(kind, &name) else { return };
        match self.submit(stream, command, Actor::RUNTIME).await {
            Ok(accepted) => self.reached(accepted.position).await,
            Err(refused) => tracing::debug!(%refused, name, "a use was not recorded"),
        }
    }

    async fn write_notices(&self, all: bool) {
        let events = locked(&self.inner.notices).take(Instant::now(), all);
        for event in events {
            let stream = StreamId::new(StreamKind::Audit, "main").expect("a good stream id");
            let command = journal::Command::Audit(event);
            if let Err(refused) = self.submit(stream, command.into(), Actor::RUNTIME).await {
                tracing::warn!(%refused, "a refusal was not recorded");
            }
        }
    }

    async fn submit(&self, stream: StreamId, command: Command, actor: Actor) -> Result<Accepted, Refused> {
        let id = CommandId(*self.inner.ids.next().as_bytes());
        let submission = Submission {
            stream,
            command,
            id,
            digest: CommandDigest(id.0),
            keyed: false,
            expected: Expected::Any,
            actor,
            causality: Causality::default(),
        };
        self.inner.sequencer.submit_patiently(submission).await
    }
}
