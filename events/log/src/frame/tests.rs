use proptest::prelude::*;

use super::*;
use crate::conformance::Author;

fn command(author: &mut Author, sizes: &[usize]) -> Vec<Recorded> {
    author.command("s", sizes)
}

#[test]
fn small_commands_share_a_frame_and_the_chain_runs_through_all() {
    let mut author = Author::new(Head::GENESIS);
    let commands: Vec<_> = (0..500).map(|_| command(&mut author, &[100, 200])).collect();
    let events: Vec<_> = commands.concat();
    let (frames, head) = pack(Head::GENESIS, commands).unwrap();
    assert!(frames.len() > 1 && frames.len() < 20, "{}", frames.len());
    assert!(follow(Head::GENESIS, &frames));
    assert_eq!(head, frames.last().unwrap().head());
    assert_eq!(head.position, Position(1000));
    assert_eq!(frames.iter().flat_map(|frame| frame.events().to_vec()).collect::<Vec<_>>(), events);
    for frame in &frames {
        assert!(frame.bytes().len() <= MAX_FRAME);
        let parsed = Frame::parse(frame.bytes(), true).unwrap();
        assert_eq!(restore(&parsed.header, parsed.records), frame.bytes().to_vec());
        let events: Vec<_> = parsed.records().map(|record| record.unwrap().event().clone()).collect();
        assert_eq!(events, frame.events().to_vec());
    }
}

#[test]
fn a_command_is_never_split_over_frames() {
    let mut author = Author::new(Head::GENESIS);
    let commands: Vec<_> = (0..40).map(|_| command(&mut author, &[4000; 5])).collect();
    let (frames, _) = pack(Head::GENESIS, commands).unwrap();
    for frame in &frames {
        assert_eq!(frame.count() % 5, 0, "a command has five events here");
    }
}

#[test]
fn large_payloads_become_blobs_and_so_do_the_largest_of_a_command_that_does_not_fit() {
    let mut author = Author::new(Head::GENESIS);
    let (frames, head) = pack(Head::GENESIS, vec![command(&mut author, &[100, MAX_INLINE + 1])]).unwrap();
    assert_eq!(frames[0].blobs().len(), 1);

    let (frames, _) = pack(head, vec![command(&mut author, &[7000; 20])]).unwrap();
    assert_eq!(frames.len(), 1);
    let blobs = frames[0].blobs().len();
    assert!(blobs > 0 && blobs < 20, "{blobs}");
    for blob in frames[0].blobs() {
        assert_eq!(BlobRef::to(&blob.content).digest, blob.digest);
    }
}

#[test]
fn a_command_that_cannot_fit_is_refused_by_its_index() {
    let mut author = Author::new(Head::GENESIS);
    let commands = vec![command(&mut author, &[10]), command(&mut author, &[10; 1000])];
    let (index, error) = pack(Head::GENESIS, commands).unwrap_err();
    assert_eq!(index, 1);
    assert!(error.bytes > error.limit);
}

#[test]
fn an_endless_actor_is_refused() {
    let mut author = Author::new(Head::GENESIS);
    let mut events = command(&mut author, &[10]);
    events[0].actor.0 = "a".repeat(5000).into();
    assert_eq!(pack(Head::GENESIS, vec![events]).unwrap_err().0, 0);
}

#[test]
fn frames_of_another_history_do_not_follow() {
    let mut author = Author::new(Head::GENESIS);
    let (frames, head) = pack(Head::GENESIS, vec![command(&mut author, &[1])]).unwrap();
    assert!(!follow(head, &frames));
    let other = Head { hash: Digest([1; 32]), ..Head::GENESIS };
    assert!(!follow(other, &frames));
}

proptest! {
    #[test]
    fn any_change_of_a_frame_is_seen(at: prop::sample::Index, bit in 0..8u8) {
        let mut author = Author::new(Head::GENESIS);
        let (frames, _) = pack(Head::GENESIS, vec![command(&mut author, &[50, 60])]).unwrap();
        let mut bytes = frames[0].bytes().to_vec();
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        prop_assert!(Frame::parse(&bytes, true).is_err());
    }

    #[test]
    fn any_bytes_are_refused_or_read_without_a_panic(mut bytes: Vec<u8>, count: u32) {
        if bytes.len() > 6 {
            bytes[..2].copy_from_slice(&[FORMAT_V1, 0]);
            bytes[2..6].copy_from_slice(&count.to_le_bytes());
        }
        if let Ok(parsed) = Frame::parse(&bytes, false) {
            prop_assert!(parsed.records().take(100).count() > 0);
        }
    }
}
