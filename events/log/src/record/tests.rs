use openclaw_model::StreamKind;
use proptest::prelude::*;

use super::*;

prop_compose! {
    fn any_event()(
        (position, version, schema, at) in any::<(u64, u64, u16, i64)>(),
        (id, command, digest) in any::<(u128, [u8; 16], [u8; 16])>(),
        (causation, correlation) in any::<(Option<u128>, Option<u128>)>(),
        name in "[a-zA-Z0-9:é-]{1,60}",
        event_type in prop_oneof![Just("run.started".to_owned()), "[a-z_.]{0,40}"],
        actor in prop_oneof![Just("runtime".to_owned()), ".{0,40}"],
        data in prop::collection::vec(any::<u8>(), 0..300),
    ) -> Recorded {
        Recorded {
            position: Position(position),
            stream: StreamId::new(StreamKind::Session, &name).unwrap(),
            version: Version(version),
            id: EventId(Uuid::from_u128(id)),
            event_type: event_type.into(),
            schema,
            at: Timestamp::from_micros(at),
            actor: Actor(actor.into()),
            command: CommandId(command),
            digest: CommandDigest(digest),
            causality: Causality {
                causation: causation.map(|id| EventId(Uuid::from_u128(id))),
                correlation: correlation.map(Uuid::from_u128),
            },
            data: data.into(),
        }
    }
}

proptest! {
    #[test]
    fn a_record_round_trips_and_peek_agrees(event in any_event(), as_blob: bool, rest: Vec<u8>) {
        let blob = as_blob.then(|| BlobRef::to(&event.data));
        let mut bytes = Vec::new();
        encode(&event, blob, &mut bytes);
        prop_assert_eq!(bytes.len(), encoded_len(&event, as_blob));
        let length = bytes.len();
        bytes.extend(rest);

        let peeked = peek(&bytes).unwrap();
        prop_assert_eq!(
            (peeked.length, peeked.position, peeked.version, peeked.command, peeked.stream, peeked.blob, peeked.at),
            (length, event.position, event.version, event.command, event.stream.as_str(), blob, event.at)
        );
        let (record, read) = decode(&bytes).unwrap();
        prop_assert_eq!(read, length);
        let whole = record.resolve(|asked| {
            assert!(asked.matches(&event.data));
            Ok::<_, ()>(Arc::clone(&event.data))
        });
        prop_assert_eq!(whole.unwrap(), event);
    }

    #[test]
    fn any_bytes_are_refused_or_read_without_a_panic(bytes: Vec<u8>) {
        let _ = decode(&bytes);
        let _ = peek(&bytes);
    }

    #[test]
    fn one_flipped_bit_anywhere_is_refused(event in any_event(), at: prop::sample::Index, bit in 0..8u8) {
        let mut bytes = Vec::new();
        encode(&event, None, &mut bytes);
        let at = at.index(bytes.len());
        bytes[at] ^= 1 << bit;
        prop_assert!(decode(&bytes).is_err());
    }

    #[test]
    fn a_cut_record_is_refused(event in any_event(), cut: prop::sample::Index) {
        let mut bytes = Vec::new();
        encode(&event, None, &mut bytes);
        prop_assert!(decode(&bytes[..cut.index(bytes.len())]).is_err());
    }
}

/// Guards the layout itself: these bytes were written by the first release of format 1.
#[test]
fn the_first_written_format_1_record_is_still_read() {
    let event = Recorded {
        position: Position(7),
        stream: StreamId::new(StreamKind::Session, "s").unwrap(),
        version: Version(3),
        id: EventId(Uuid::from_u128(1)),
        event_type: "session.ended".into(),
        schema: 1,
        at: Timestamp::from_micros(2),
        actor: Actor::RUNTIME,
        command: CommandId([4; 16]),
        digest: CommandDigest([5; 16]),
        causality: Causality { causation: Some(EventId(Uuid::from_u128(6))), correlation: None },
        data: b"{}".as_slice().into(),
    };
    let mut bytes = Vec::new();
    encode(&event, None, &mut bytes);
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(
        hex,
        concat!(
            "88000000",
            "01",
            "02",
            "0100",
            "0700000000000000",
            "0300000000000000",
            "0200000000000000",
            "00000000000000000000000000000001",
            "04040404040404040404040404040404",
            "05050505050505050505050505050505",
            "0900",
            "0700",
            "0d",
            "00000000000000000000000000000006",
            "73657373696f6e2f73",
            "73657373696f6e2e656e646564",
            "72756e74696d65",
            "7b7d",
            "71bf5eb7"
        )
    );
    assert_eq!(decode(&bytes).unwrap().0.event(), &event);
}

#[test]
fn unknown_formats_and_flags_are_named() {
    let event = sample();
    let mut bytes = Vec::new();
    encode(&event, None, &mut bytes);
    let mut newer = bytes.clone();
    newer[4] = 2;
    assert_eq!(decode(&newer), Err(Invalid::Format(2)));
    bytes[5] = 0x80;
    assert_eq!(decode(&bytes), Err(Invalid::Flags(0x80)));
}

fn sample() -> Recorded {
    Recorded {
        position: Position(1),
        stream: StreamId::new(StreamKind::Run, "r").unwrap(),
        version: Version(1),
        id: EventId(Uuid::nil()),
        event_type: "run.completed".into(),
        schema: 1,
        at: Timestamp::from_micros(0),
        actor: Actor::RUNTIME,
        command: CommandId([0; 16]),
        digest: CommandDigest([0; 16]),
        causality: Causality::default(),
        data: Arc::default(),
    }
}
