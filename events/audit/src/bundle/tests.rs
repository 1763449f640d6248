use std::collections::BTreeSet;

use openclaw_model::event::{RunEvent, SessionEvent, run::RunSignalled, session::MessageSent};
use serde_json::{Value, json};

use super::*;
use crate::testing::{Written, key};

/// A log in which the run has a large payload, and events of others lie in the same frames and stretches.
async fn log() -> Written {
    let (mut log, _) = crate::trail::tests::busy().await;
    log.checkpoint(&key(1)).await;
    let run = crate::trail::tests::run(1);
    let signal = RunSignalled { name: "big".into(), data: json!("x".repeat(20_000)) };
    let canary = MessageSent { content: "somebody else's".into(), message_id: "2".into() };
    log.append(vec![
        ("session/s".parse().unwrap(), SessionEvent::MessageSent(canary.clone()).into()),
        (StreamId::run(run), RunEvent::Signalled(signal).into()),
        ("session/s".parse().unwrap(), SessionEvent::MessageSent(canary).into()),
    ])
    .await;
    log.checkpoint(&key(1)).await;
    log
}

async fn bundle(log: &Written) -> Bundle {
    make(&log.memory, crate::trail::tests::run(1), &key(1), Timestamp::from_micros(7)).await.unwrap()
}

fn trusted() -> BTreeSet<PublicKey> {
    [key(1).public()].into()
}

/// The lines but the last, changed, and a last line that `by` signs.
fn signed_anew(bytes: &[u8], by: u8, change: impl FnOnce(&mut Vec<Value>)) -> Vec<u8> {
    let text = std::str::from_utf8(bytes).unwrap();
    let mut lines: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    lines.pop();
    change(&mut lines);
    let mut file = File { bytes: Vec::new(), lines: 0 };
    lines.iter().for_each(|line| file.push(line).unwrap());
    let hash = Digest(*blake3::hash(&file.bytes).as_bytes());
    let key = key(by);
    let end = End { lines: file.lines, hash, key: key.public(), signature: key.sign(&signed(&hash)) };
    file.push(&Last { end }).unwrap();
    file.bytes
}

fn is_event(line: &Value) -> bool {
    line.get("record").is_some()
}

#[tokio::test]
async fn a_bundle_proves_the_run_and_shows_nothing_of_others() {
    let log = log().await;
    let bundle = bundle(&log).await;
    let checked = check(&bundle.bytes, &trusted()).unwrap();
    assert_eq!(checked.events.len(), 11, "the ten of the trail, and the signal");
    assert_eq!(checked.checkpoints, 2);
    assert_eq!(checked.signers, trusted());
    assert_eq!(checked.header.through, Position(19));
    let original =
        openclaw_log::conformance::collect(openclaw_log::EventLog::read(&log.memory, Position(1))).await;
    for (event, _) in &checked.events {
        assert_eq!(
            event,
            &original[event.position.0 as usize - 1],
            "as it stands in the log, payload included"
        );
    }
    let shown: String = String::from_utf8(bundle.bytes.clone()).unwrap();
    let raw: Vec<u8> = shown
        .lines()
        .filter_map(|line| {
            Some(STANDARD.decode(serde_json::from_str::<Value>(line).ok()?["record"].as_str()?).unwrap())
        })
        .flatten()
        .collect();
    assert!(!raw.windows(15).any(|bytes| bytes == b"somebody else's"), "events of others are not in it");
    // What is re-signed without a change is as good.
    assert!(check(&signed_anew(&bundle.bytes, 1, |_| {}), &trusted()).is_ok());
}

#[tokio::test]
async fn whatever_byte_is_changed_it_is_found() {
    let bundle = bundle(&log().await).await;
    let mut bytes = bundle.bytes;
    let end = bytes.len();
    // All of the last lines and of the first ones; of the large payload in between every 64th.
    let places = (0..end).filter(|at| at % 64 == 0 || *at < 1_500 || *at + 1_500 > end);
    let mut tried = 0;
    for at in places {
        for flip in [0x01, 0x20, 0x80] {
            bytes[at] ^= flip;
            assert!(check(&bytes, &BTreeSet::new()).is_err(), "byte {at} ^ {flip}");
            bytes[at] ^= flip;
            tried += 1;
        }
    }
    assert!(tried > 9_000, "{tried}");
    assert!(check(&bytes, &BTreeSet::new()).is_ok());
    for cut in [0, 1, end / 2, end - 1] {
        assert!(check(&bytes[..cut], &BTreeSet::new()).is_err(), "cut at {cut}");
    }
    bytes.push(b'\n');
    assert!(check(&bytes, &BTreeSet::new()).is_err(), "nothing may follow");
}

#[tokio::test]
async fn whoever_has_not_the_key_cannot_sign_a_change() {
    let bundle = bundle(&log().await).await;
    let forged = signed_anew(&bundle.bytes, 2, |_| {});
    let found = check(&forged, &trusted()).map(|_| ()).unwrap_err();
    assert!(found.reason.contains("not believed"), "{found}");
    // Without a key to compare with, the signers say it.
    assert_eq!(check(&forged, &BTreeSet::new()).unwrap().signers.len(), 2);
}

#[tokio::test]
async fn whoever_has_the_key_of_bundles_cannot_change_an_event_that_a_checkpoint_vouches_for() {
    let bundle = bundle(&log().await).await;
    let count = bundle.bytes.split(|byte| *byte == b'\n').count();
    let mut tried = 0;
    for index in 0..count {
        let before = tried;
        let changed = signed_anew(&bundle.bytes, 1, |lines| {
            let Some(line) = lines.get_mut(index).filter(|line| is_event(line)) else { return };
            let mut record = STANDARD.decode(line["record"].as_str().unwrap()).unwrap();
            // The last byte of the data, and the checksum over all.
            let at = record.len() - 6;
            record[at] ^= 1;
            let sum = crc(&record[..record.len() - 4]);
            let start = record.len() - 4;
            record[start..].copy_from_slice(&sum);
            line["record"] = STANDARD.encode(record).into();
            tried += 1;
        });
        if tried == before {
            continue;
        }
        let found = check(&changed, &trusted()).map(|_| ()).unwrap_err();
        assert!(found.reason.contains("does not vouch"), "{found}");
    }
    assert_eq!(tried, 11);
}

#[tokio::test]
async fn an_event_that_is_left_out_or_stands_elsewhere_is_found() {
    let bundle = bundle(&log().await).await;
    let text = String::from_utf8(bundle.bytes.clone()).unwrap();
    let events: Vec<usize> = text
        .lines()
        .enumerate()
        .filter(|(_, line)| is_event(&serde_json::from_str(line).unwrap()))
        .map(|(index, _)| index)
        .collect();
    for index in &events {
        let without = signed_anew(&bundle.bytes, 1, |lines| {
            lines.remove(*index);
        });
        assert!(check(&without, &trusted()).is_err(), "without line {index}");
        // Whoever changes the count too still has streams with a gap, unless it was no event of a whole stream.
        let lying = signed_anew(&bundle.bytes, 1, |lines| {
            let line = lines.remove(*index);
            let events = lines[0]["events"].as_u64().unwrap();
            lines[0]["events"] = (events - 1).into();
            assert!(is_event(&line));
        });
        let whole = text.lines().nth(*index).unwrap().contains(r#""why":"own""#);
        assert!(!whole || check(&lying, &trusted()).is_err(), "without line {index}");
    }
    let swapped = signed_anew(&bundle.bytes, 1, |lines| lines.swap(events[1], events[2]));
    assert!(check(&swapped, &trusted()).map(|_| ()).unwrap_err().reason.contains("does not come after"));
}

#[tokio::test]
async fn a_run_that_is_not_there_or_not_signed_has_no_bundle() {
    let mut log = Written::new();
    log.fill(1).await;
    let run = crate::trail::tests::run(9);
    let now = Timestamp::from_micros(0);
    assert!(matches!(make(&log.memory, run, &key(1), now).await, Err(Error::NoRun(_))));
    let (log, _) = crate::trail::tests::busy().await;
    let run = crate::trail::tests::run(1);
    assert!(matches!(make(&log.memory, run, &key(1), now).await, Err(Error::NotCovered(_))));
}

#[tokio::test]
async fn any_bytes_are_refused_without_a_panic() {
    let bundle = bundle(&log().await).await;
    for bytes in [&b""[..], b"\n", b"\n\n", b"{}\n{}\n", b"\xff\xfe\n", &[b'{'; 10_000]] {
        assert!(check(bytes, &BTreeSet::new()).is_err());
    }
    for line in 0..6 {
        for nonsense in [json!(null), json!({}), json!([]), json!({ "event": {} })] {
            let changed = signed_anew(&bundle.bytes, 1, |lines| lines[line] = nonsense.clone());
            assert!(check(&changed, &BTreeSet::new()).is_err(), "line {line}");
        }
    }
}

fn crc(bytes: &[u8]) -> [u8; 4] {
    let mut sum = u32::MAX;
    for byte in bytes {
        sum ^= u32::from(*byte);
        for _ in 0..8 {
            sum = if sum & 1 == 1 { sum >> 1 ^ 0xEDB8_8320 } else { sum >> 1 };
        }
    }
    (!sum).to_le_bytes()
}
