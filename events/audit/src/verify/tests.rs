use std::sync::Arc;

use openclaw_log::Frame;

use super::*;
use crate::testing::{Written, key};

fn audit(frames: &[Arc<[u8]>], trust: Trust, kept: &[Checkpoint]) -> Findings {
    let mut auditor = Auditor::new(trust, kept.to_vec());
    for bytes in frames {
        auditor.frame(&Frame::parse(bytes, true).unwrap());
    }
    auditor.finish(true)
}

fn trusted() -> Trust {
    Trust { keys: [key(1).public()].into() }
}

fn codes(findings: &Findings) -> Vec<&'static str> {
    findings.problems.iter().map(|problem| problem.code).collect()
}

/// Two stretches that are signed, with something after each signature, and a tail that nobody signed yet.
async fn signed() -> Written {
    let mut log = Written::new();
    log.fill(12).await;
    log.checkpoint(&key(1)).await;
    log.fill(7).await;
    log.checkpoint(&key(1)).await;
    log.fill(3).await;
    log
}

#[tokio::test]
async fn a_log_that_is_as_it_was_signed_has_no_problem() {
    let log = signed().await;
    let findings = audit(&log.frames, trusted(), &log.kept);
    assert_eq!(findings.problems, []);
    assert_eq!((findings.events, findings.recorded, findings.kept), (24, 2, 2));
    assert_eq!(findings.covered, Position(20));
    assert_eq!(findings.signers, [key(1).public().id()].into());
    assert_eq!((findings.hash, findings.frames), (log.head.hash, 24));
    // What was kept twice, and in another order, says nothing else.
    let mut twice = [log.kept.clone(), log.kept.clone()].concat();
    twice.reverse();
    assert_eq!(audit(&log.frames, trusted(), &twice), findings);
}

#[tokio::test]
async fn a_log_whose_end_was_cut_off_is_found_by_what_was_kept_and_by_nothing_else() {
    let log = signed().await;
    let cut = &log.frames[..15];
    let findings = audit(cut, trusted(), &log.kept);
    assert_eq!(codes(&findings), ["OC-AUD-002"]);
    assert_eq!(findings.problems[0].position, Position(16));
    assert!(findings.problems[0].message.contains("positions 16 to 20"), "{findings:?}");
    assert_eq!(findings.covered, Position(12));
    // Inside of a log nothing says what should come after it.
    assert_eq!(audit(cut, trusted(), &[]).problems, []);
}

#[tokio::test]
async fn a_log_that_was_written_anew_is_found_although_its_chain_is_whole() {
    let log = signed().await;
    let mut other = Written::new();
    other.fill(2).await;
    other.checkpoint(&key(1)).await;
    other.fill(40).await;
    let findings = audit(&other.frames, trusted(), &log.kept);
    assert_eq!(codes(&findings), ["OC-AUD-003", "OC-AUD-003"], "{findings:?}");
    assert_eq!(findings.covered, Position(2), "what it says of itself holds");
}

#[tokio::test]
async fn a_forger_without_the_key_is_found_by_the_checkpoints_in_the_log() {
    let mut forged = Written::new();
    forged.fill(5).await;
    forged.checkpoint(&key(2)).await;
    let findings = audit(&forged.frames, trusted(), &[]);
    assert_eq!(codes(&findings), ["OC-AUD-004"]);
    assert_eq!(findings.covered, Position(0));
    // Nobody is an unknown key to somebody who believes everybody.
    assert_eq!(audit(&forged.frames, Trust::default(), &[]).problems, []);
}

#[tokio::test]
async fn a_checkpoint_with_another_content_has_no_signature() {
    let mut log = Written::new();
    log.fill(5).await;
    let mut kept = log.checkpoint(&key(1)).await;
    kept.statement.hash.0[0] ^= 1;
    let findings = audit(&log.frames, trusted(), &[kept]);
    assert_eq!(codes(&findings), ["OC-AUD-001"]);
}

#[tokio::test]
async fn a_key_holder_who_leaves_a_checkpoint_out_or_signs_other_records_is_found() {
    let mut log = Written::new();
    log.fill(5).await;
    let mut lying = log.checkpoint(&key(1)).await.statement;
    log.fill(3).await;
    lying.after = Position(2);
    lying.position = log.head.position;
    lying.hash = log.head.hash;
    let event = AuditEvent::Checkpoint(lying.sign(&key(1)).to_event());
    log.append(vec![("audit/main".parse().unwrap(), event.into())]).await;
    assert_eq!(codes(&audit(&log.frames, trusted(), &[])), ["OC-AUD-003"]);

    lying.after = Position(5);
    let mut log = signed_with(lying).await;
    let findings = audit(&log.frames, trusted(), &[]);
    assert_eq!(codes(&findings), ["OC-AUD-003"], "{findings:?}");
    assert!(findings.problems[0].message.contains("records"), "{findings:?}");
    log.fill(1).await;
}

/// A log with `said` as its second checkpoint, but for hash and position, which are right.
async fn signed_with(said: crate::Statement) -> Written {
    let mut log = Written::new();
    log.fill(5).await;
    log.checkpoint(&key(1)).await;
    log.fill(3).await;
    let said = crate::Statement {
        position: log.head.position,
        hash: log.head.hash,
        log: log.kept[0].statement.log,
        ..said
    };
    let event = AuditEvent::Checkpoint(said.sign(&key(1)).to_event());
    log.append(vec![("audit/main".parse().unwrap(), event.into())]).await;
    log
}

#[tokio::test]
async fn a_frame_that_is_missing_or_stands_elsewhere_breaks_the_chain() {
    let log = signed().await;
    let mut removed = log.frames.clone();
    removed.remove(4);
    let findings = audit(&removed, trusted(), &log.kept);
    let broken: Vec<_> = findings.problems.iter().filter(|problem| problem.code == "OC-LOG-001").collect();
    assert_eq!(broken.len(), 1);
    assert_eq!(broken[0].position, Position(5));
    let mut swapped = log.frames.clone();
    swapped.swap(3, 4);
    let findings = audit(&swapped, trusted(), &[]);
    let broken = findings.problems.iter().find(|problem| problem.code == "OC-LOG-001");
    assert_eq!(broken.map(|problem| problem.position), Some(Position(4)), "{findings:?}");
}
