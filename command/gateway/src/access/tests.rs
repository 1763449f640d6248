//! Tokens, users and sessions over the log in memory, with a clock that the test holds.

use std::sync::atomic::AtomicU64;

use openclaw_core::user::Account;
use openclaw_log::{EventLog, MemoryLog};
use openclaw_model::access::Role;
use tokio::task::JoinSet;
use uuid::Uuid;

use super::*;

struct Held(AtomicI64);

impl Clock for Held {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::SeqCst))
    }
}

struct Counting(AtomicU64);

impl Ids for Counting {
    fn next(&self) -> Uuid {
        Uuid::from_u64_pair(7, self.0.fetch_add(1, Ordering::SeqCst))
    }
}

struct World {
    access: Access,
    clock: Arc<Held>,
    log: Arc<MemoryLog>,
    directory: tempfile::TempDir,
    tasks: JoinSet<()>,
}

const HOUR: i64 = 3_600_000_000;
const ADDRESS: Option<IpAddr> = Some(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST));

async fn world() -> World {
    let clock = Arc::new(Held(AtomicI64::new(1_000 * HOUR)));
    start(Arc::new(MemoryLog::new()), clock, tempfile::tempdir().unwrap()).await
}

async fn start(log: Arc<MemoryLog>, clock: Arc<Held>, directory: tempfile::TempDir) -> World {
    let register = Register::load(&*log, &directory.path().join("access.json")).await.unwrap();
    let ids = Arc::new(Counting(AtomicU64::new(log.head().position.0 * 1_000)));
    let (sequencer, commits, decide) = Sequencer::new(log.clone(), clock.clone(), ids.clone(), 1);
    let bits = AtomicU64::new(log.head().position.0 * 1_000);
    let parts = Parts {
        sequencer,
        clock: clock.clone(),
        ids,
        random: Arc::new(move || {
            let mut random = [0; 32];
            random[..8].copy_from_slice(&bits.fetch_add(1, Ordering::SeqCst).to_be_bytes());
            random
        }),
        pepper: Arc::new(|_| Ok(Zeroizing::new([9; 32]))),
    };
    let (access, admit) = Access::new(parts, register, commits.into_iter().next().unwrap());
    let mut tasks = JoinSet::new();
    tasks.spawn(decide);
    tasks.spawn(admit);
    World { access, clock, log, directory, tasks }
}

impl World {
    fn pass(&self, micros: i64) {
        self.clock.0.fetch_add(micros, Ordering::SeqCst);
    }

    async fn command(&self, kind: StreamKind, name: &str, command: impl Into<Command>) {
        let stream = StreamId::new(kind, name).unwrap();
        let accepted = self.access.submit(stream, command.into(), Actor::RUNTIME).await.unwrap();
        self.access.reached(accepted.position).await;
    }

    async fn issue(&self, name: &str, expires: Option<Timestamp>) -> Zeroizing<String> {
        let (text, hash) = self.access.fresh_token();
        let grants = Grants(["query".parse().unwrap()].into());
        self.command(StreamKind::Token, name, token::Command::Issue { hash, grants, expires }).await;
        text
    }

    async fn add(&self, name: &str, role: Role) {
        let password = self.access.hash_password(name, word("correct horse battery")).await.unwrap();
        let account =
            Account { role, namespaces: Default::default(), groups: ["finance".into()].into(), password };
        self.command(StreamKind::User, name, user::Command::Add(account)).await;
    }

    async fn log_in(&self, name: &str, password: &str) -> Result<Login, LoginError> {
        self.access.log_in(name, word(password), ADDRESS).await
    }

    async fn restart(mut self) -> Self {
        self.access.stop().await;
        self.access.inner.sequencer.close();
        while self.tasks.join_next().await.is_some() {}
        start(self.log, self.clock, self.directory).await
    }

    async fn types(&self) -> Vec<String> {
        use futures_util::StreamExt;
        let mut types = Vec::new();
        let head = self.log.head().position;
        let mut history = self.log.read(Position(1));
        while let Some(batch) = history.next().await {
            for recorded in batch.unwrap().iter() {
                types.push(recorded.event_type.to_string());
                if recorded.position == head {
                    return types;
                }
            }
        }
        types
    }
}

fn word(text: &str) -> Zeroizing<String> {
    Zeroizing::new(text.to_owned())
}

async fn over(validity: &Validity) -> bool {
    tokio::time::timeout(Duration::from_secs(1), validity.ended()).await.is_ok()
}

#[tokio::test]
async fn a_token_counts_until_it_is_revoked_and_its_sockets_end_with_it() {
    let world = world().await;
    let text = world.issue("ci", None).await;
    let identity = world.access.token(&text, None).unwrap();
    assert_eq!(identity.caller.actor.0, "token:ci");
    assert!(identity.caller.grants.allow_everywhere(Need::Query));
    assert!(!identity.caller.grants.allow_somewhere(Need::Admin));
    let validity = world.access.watch(&identity.proof);
    for wrong in ["", "oc_", &text[1..], &text[..45], &format!("{}x", &text[..45]), &format!("{}x", *text)] {
        assert!(world.access.token(wrong, None).is_none(), "{wrong}");
    }
    world.command(StreamKind::Token, "ci", token::Command::Revoke { reason: None }).await;
    assert!(world.access.token(&text, None).is_none());
    assert!(over(&validity).await && over(&world.access.watch(&identity.proof)).await);
    let world = world.restart().await;
    assert!(world.access.token(&text, None).is_none(), "for ever");
}

#[tokio::test(start_paused = true)]
async fn an_expired_token_stays_so_when_the_clock_is_set_back() {
    let world = world().await;
    let expires = world.access.now().plus_millis(3_600_000);
    let text = world.issue("ci", Some(expires)).await;
    let other = world.issue("other", None).await;
    let validity = world.access.watch(&world.access.token(&text, None).unwrap().proof);
    world.pass(HOUR);
    assert!(world.access.token(&text, None).is_none());
    assert!(over(&validity).await, "its sockets end without any event");
    world.pass(-10 * HOUR);
    assert!(world.access.token(&text, None).is_none());
    world.access.unproven(None, None);
    let world = world.restart().await;
    assert!(world.access.token(&text, None).is_none(), "the log has seen the later time");
    assert!(world.access.token(&other, None).is_some());
}

#[tokio::test]
async fn use_of_a_token_is_recorded_once_an_hour() {
    let world = world().await;
    let text = world.issue("ci", None).await;
    for _ in 0..50 {
        world.access.token(&text, ADDRESS).unwrap();
    }
    world.access.stop().await;
    let world = world.restart().await;
    let seen = |types: Vec<String>| types.iter().filter(|one| *one == "token.seen").count();
    assert!(seen(world.types().await) <= 1);
    world.pass(2 * HOUR);
    world.access.token(&text, ADDRESS).unwrap();
    while world.access.read().token("ci").unwrap().seen.is_none_or(|seen| seen < world.access.now()) {
        tokio::task::yield_now().await;
    }
    assert!((1..=2).contains(&seen(world.types().await)));
}

#[tokio::test]
async fn a_session_is_its_users_until_it_ends_in_any_way() {
    let world = world().await;
    world.add("ada", Role::Operator).await;
    assert!(matches!(world.log_in("ada", "correct horse batterx").await, Err(LoginError::Wrong)));
    assert!(matches!(world.log_in("eve", "correct horse battery").await, Err(LoginError::Wrong)));
    let login = world.log_in("ada", "correct horse battery").await.unwrap();
    let identity = world.access.session(&login.cookie).unwrap();
    assert_eq!(identity.caller.actor.0, "user:ada");
    let person = identity.caller.person.clone().unwrap();
    assert_eq!(person.roles, ["finance".to_owned(), "operator".to_owned()].into());
    assert!(!identity.caller.grants.allow_somewhere(Need::Admin));

    let world = world.restart().await;
    let validity = world.access.watch(&world.access.session(&login.cookie).unwrap().proof);
    let (namespaces, groups) = (Default::default(), Default::default());
    let change = user::Command::Change { role: Role::Viewer, namespaces, groups };
    world.command(StreamKind::User, "ada", change).await;
    assert!(over(&validity).await, "a socket keeps no right that was taken away");
    let identity = world.access.session(&login.cookie).unwrap();
    assert!(!identity.caller.grants.allow_somewhere(Need::Operate), "the session goes on with the new role");

    let other = world.log_in("ada", "correct horse battery").await.unwrap();
    let (one, two) = (identity.proof, world.access.session(&other.cookie).unwrap().proof);
    let (first, second) = (world.access.watch(&one), world.access.watch(&two));
    world.access.log_out(&one).await.unwrap();
    assert!(world.access.session(&login.cookie).is_none() && over(&first).await);
    assert!(world.access.session(&other.cookie).is_some() && !second.token().is_cancelled());

    let password = world.access.hash_password("ada", word("another long password")).await.unwrap();
    world.command(StreamKind::User, "ada", user::Command::ChangePassword { password }).await;
    assert!(world.access.session(&other.cookie).is_none() && over(&second).await);
    assert!(matches!(world.log_in("ada", "correct horse battery").await, Err(LoginError::Wrong)));
    let login = world.log_in("ada", "another long password").await.unwrap();
    world.command(StreamKind::User, "ada", user::Command::Remove).await;
    assert!(world.access.session(&login.cookie).is_none());
    world.add("ada", Role::Admin).await;
    assert!(world.access.session(&login.cookie).is_none(), "somebody of the same name is somebody else");
}

#[tokio::test(start_paused = true)]
async fn a_session_ends_when_nobody_uses_it_and_after_half_a_day_in_any_case() {
    let world = world().await;
    world.add("ada", Role::Admin).await;
    let login = world.log_in("ada", "correct horse battery").await.unwrap();
    tokio::time::advance(IDLE - Duration::from_secs(1)).await;
    let proof = world.access.session(&login.cookie).expect("used in time").proof;
    let validity = world.access.watch(&proof);
    tokio::time::advance(IDLE).await;
    assert!(world.access.session(&login.cookie).is_none());
    assert!(over(&validity).await);
    while !world.types().await.iter().any(|one| one == "user.logged_out") {
        tokio::time::advance(SWEEP).await;
        tokio::task::yield_now().await;
    }

    let login = world.log_in("ada", "correct horse battery").await.unwrap();
    world.pass(11 * HOUR);
    assert!(world.access.session(&login.cookie).is_some());
    world.pass(HOUR);
    assert!(world.access.session(&login.cookie).is_none());
}

#[tokio::test]
async fn guessing_is_stopped_and_recorded_and_names_that_there_are_not_are_no_exception() {
    let world = world().await;
    world.add("ada", Role::Admin).await;
    for name in ["ada", "nobody"] {
        for _ in 0..5 {
            assert!(matches!(world.log_in(name, "wrong wrong wrong").await, Err(LoginError::Wrong)));
        }
        assert!(matches!(world.log_in(name, "correct horse battery").await, Err(LoginError::TooMany { .. })));
    }
    world.access.stop().await;
    let mut counts = HashMap::new();
    use futures_util::StreamExt;
    let stream = StreamId::new(StreamKind::Audit, "main").unwrap();
    let mut history = world.log.read_stream(&stream, openclaw_model::Version(1));
    while let Some(batch) = history.next().await {
        for recorded in batch.unwrap().iter() {
            let openclaw_model::Event::Audit(openclaw_model::event::AuditEvent::LoginFailed(failed)) =
                recorded.decode().unwrap()
            else {
                panic!("{recorded:?}")
            };
            *counts.entry(failed.user).or_default() += failed.count;
        }
    }
    assert_eq!(counts, HashMap::from([(Some("ada".to_owned()), 6), (None, 6)]), "what was typed is no name");
}
