//! Writes the seeds of the binary formats into `corpus/`, with the shipped encoders. Run it when a format gets a new
//! version; the old seeds stay.

use std::{collections::BTreeSet, fs, path::Path, sync::Arc};

use openclaw_log::{Head, pack, record};
use openclaw_model::{
    Actor, Causality, CommandDigest, CommandId, EventId, Position, Recorded, StreamId, Timestamp, Version,
};
use openclaw_vault::{Cost, Disk, Name, Passphrase, Vault};
use uuid::Uuid;

fn write(target: &str, name: &str, bytes: &[u8]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target).join(name);
    fs::write(path, bytes).expect("a seed can be written");
}

fn event(position: u64, data: &[u8], correlated: bool) -> Recorded {
    Recorded {
        position: Position(position),
        stream: "session/s-1".parse::<StreamId>().expect("a stream"),
        version: Version(position),
        id: EventId(Uuid::from_u128(7)),
        event_type: "session.message_received".into(),
        schema: 1,
        at: Timestamp::from_micros(1_795_000_000_000_000),
        actor: Actor("token:operator".into()),
        command: CommandId([3; 16]),
        digest: CommandDigest([4; 16]),
        causality: Causality {
            causation: correlated.then(|| EventId(Uuid::from_u128(8))),
            correlation: correlated.then(|| Uuid::from_u128(9)),
        },
        data: Arc::from(data),
    }
}

fn main() {
    let events =
        [event(1, br#"{"content":"hello"}"#, false), event(2, b"{}", true), event(3, &[b'x'; 9_000], false)];
    for (number, event) in events.iter().enumerate() {
        let mut bytes = Vec::new();
        record::encode(event, None, &mut bytes);
        write("record", &format!("plain{number}"), &bytes);
        bytes.clear();
        record::encode(event, Some(record::BlobRef::to(&event.data)), &mut bytes);
        write("record", &format!("blob{number}"), &bytes);
    }
    let commands = vec![vec![events[0].clone()], vec![events[1].clone(), events[2].clone()]];
    let (frames, _) = pack(Head::GENESIS, commands).expect("small commands fit");
    for (number, frame) in frames.iter().enumerate() {
        write("frame", &format!("frame{number}"), frame.bytes());
    }

    let directory = std::env::temp_dir().join("openclaw-fuzz-seeds");
    let _ = fs::remove_dir_all(&directory);
    let disk = Disk::open(&directory).expect("a directory of our own");
    let passphrase = Passphrase::new("correct horse battery staple".into());
    let cost = Cost::new(64 << 10, 3, 4).expect("the default");
    let (mut vault, _) = Vault::create(disk, &passphrase, cost, Uuid::from_u128(1)).expect("a vault");
    vault.recorded();
    for name in ["one", "two"] {
        let name = Name::new("default", name).expect("a name");
        vault.put(&name, "value", Timestamp::from_micros(1)).expect("stored");
        vault.recorded();
    }
    drop(vault);
    let kept: BTreeSet<_> =
        fs::read_dir(&directory).expect("there").flatten().map(|entry| entry.path()).collect();
    for path in kept {
        let bytes = fs::read(&path).expect("readable");
        if !bytes.is_empty() {
            write("vault", "two-records", &bytes);
        }
    }
    fs::remove_dir_all(&directory).expect("ours");
}
