use std::{path::Path, sync::Mutex as Guarded};

use openclaw_audit::verify::{Auditor, Findings, Trust};
use openclaw_log::{EventLog, MemoryLog};
use openclaw_model::Timestamp;
use tokio::task::JoinSet;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::*;

struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(1_794_000_000_000)
    }
}

#[derive(Default)]
struct Numbers(Guarded<u128>);

impl Ids for Numbers {
    fn next(&self) -> Uuid {
        let mut last = self.0.lock().unwrap();
        *last += 1;
        Uuid::from_u128(*last)
    }
}

/// A key that can be taken away and changed.
struct Keys(Guarded<Result<u8, NoKey>>);

impl SigningKeys for Keys {
    fn audit_seed(&self) -> Result<Seed, NoKey> {
        self.0.lock().unwrap().clone().map(|byte| Seed(Zeroizing::new([byte; 32])))
    }
}

struct Bench {
    log: Arc<MemoryLog>,
    keys: Arc<Keys>,
    ids: Arc<Numbers>,
    data: tempfile::TempDir,
    outside: tempfile::TempDir,
    _tasks: JoinSet<()>,
}

impl Bench {
    fn new() -> Self {
        Self {
            log: Arc::new(MemoryLog::new()),
            keys: Arc::new(Keys(Guarded::new(Ok(1)))),
            ids: Arc::default(),
            data: tempfile::tempdir().unwrap(),
            outside: tempfile::tempdir().unwrap(),
            _tasks: JoinSet::new(),
        }
    }

    fn file(&self) -> PathBuf {
        self.outside.path().join("checkpoints")
    }

    async fn signer(&mut self) -> Signer<MemoryLog> {
        let (sequencer, _, task) = Sequencer::new(self.log.clone(), Arc::new(Still), self.ids.clone(), 0);
        self._tasks.spawn(task);
        let parts = Parts {
            log: self.log.clone(),
            sequencer,
            clock: Arc::new(Still),
            ids: self.ids.clone(),
            keys: self.keys.clone(),
        };
        let config = config::Audit { checkpoints_file: Some(self.file()), ..config::Audit::default() };
        Signer::open(parts, &config, self.data.path()).await.unwrap()
    }

    /// Something that happens.
    async fn happen(&self, signer: &Signer<MemoryLog>) {
        signer.exported(Actor::RUNTIME, "log".into(), Position(0)).await.unwrap();
    }

    async fn audited(&self) -> Findings {
        let keys = file::trusted(&trust_path(self.data.path())).unwrap();
        let trust = Trust { keys: keys.into_iter().map(|trusted| trusted.key).collect() };
        let mut auditor = Auditor::new(trust, file::kept(&self.file()).unwrap().checkpoints);
        let mut frames = self.log.frames(Position(1));
        while let Some(bytes) = frames.next().await {
            auditor.frame(&Frame::parse(&bytes.unwrap(), true).unwrap());
        }
        auditor.finish(true)
    }
}

#[tokio::test]
async fn a_checkpoint_alone_is_nothing_new_and_whatever_else_happens_is() {
    let mut bench = Bench::new();
    let signer = bench.signer().await;
    assert!(signer.sign().await.unwrap().is_none(), "an empty log has nothing to sign");
    bench.happen(&signer).await;
    assert_eq!(signer.sign().await.unwrap().unwrap().statement.position, Position(1));
    assert!(signer.sign().await.unwrap().is_none(), "only the checkpoint has happened since");
    bench.happen(&signer).await;
    let second = signer.sign().await.unwrap().unwrap().statement;
    assert_eq!((second.after, second.position), (Position(1), Position(3)));
    let findings = bench.audited().await;
    assert_eq!(findings.problems, []);
    assert_eq!((findings.recorded, findings.kept, findings.covered), (2, 2, Position(3)));
}

#[tokio::test]
async fn a_restart_goes_on_where_the_newest_checkpoint_ends_however_much_lies_behind_it() {
    let mut bench = Bench::new();
    let signer = bench.signer().await;
    bench.happen(&signer).await;
    signer.sign().await.unwrap().unwrap();
    for _ in 0..2 * WINDOW + 7 {
        bench.happen(&signer).await;
    }
    // A server that died before it wrote the file.
    std::fs::remove_file(bench.file()).unwrap();
    let again = bench.signer().await;
    assert_eq!(file::kept(&bench.file()).unwrap().checkpoints.len(), 1, "what only the log has is written");
    let said = again.sign().await.unwrap().unwrap().statement;
    assert_eq!(said.after, Position(1));
    assert_eq!(bench.audited().await.problems, []);
}

#[tokio::test]
async fn without_a_key_nothing_is_signed_and_with_another_one_both_are_believed() {
    let mut bench = Bench::new();
    let signer = bench.signer().await;
    bench.happen(&signer).await;
    *bench.keys.0.lock().unwrap() = Err(NoKey::Sealed);
    assert!(matches!(signer.sign().await, Err(Error::NoKey(NoKey::Sealed))));
    assert_eq!(bench.log.head().position, Position(1), "nothing was written");
    for key in [1, 2] {
        *bench.keys.0.lock().unwrap() = Ok(key);
        bench.happen(&signer).await;
        assert!(signer.sign().await.unwrap().is_some());
    }
    let findings = bench.audited().await;
    assert_eq!(findings.problems, []);
    assert_eq!(findings.signers.len(), 2);
    assert_eq!(file::trusted(&trust_path(bench.data.path())).unwrap().len(), 2);
}

#[tokio::test]
async fn a_file_in_the_data_directory_is_refused_at_the_start() {
    let bench = Bench::new();
    let (sequencer, _, _task) = Sequencer::new(bench.log.clone(), Arc::new(Still), bench.ids.clone(), 0);
    let parts = Parts {
        log: bench.log.clone(),
        sequencer,
        clock: Arc::new(Still),
        ids: bench.ids.clone(),
        keys: bench.keys.clone(),
    };
    let inside: &Path = bench.data.path();
    let config = config::Audit { checkpoints_file: Some(inside.join("c")), ..config::Audit::default() };
    assert!(matches!(Signer::open(parts, &config, inside).await, Err(Error::File(_))));
}
