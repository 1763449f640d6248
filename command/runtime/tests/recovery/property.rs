//! The properties.

use std::cell::Cell;

use openclaw_core::run::End;
use openclaw_model::event::run::EffectClass;
use proptest::{
    prelude::*,
    test_runner::{TestCaseResult, TestRunner},
};

use crate::{
    execution::{Came, Interruption, execute, interruptions},
    workflow::{Class, Node, expected, nodes},
    world::number,
};

const INPUT: u64 = 17;

const REPEATABLE: &[Class] = &[Class::Keyed, Class::Keyed, Class::Pure, Class::Idempotent];
const ONCE: &[Class] = &[Class::Keyed, Class::Irreversible];

/// Runs `test` in virtual time.
fn simulated<T>(test: impl Future<Output = T>) -> T {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().start_paused(true).build().unwrap().block_on(test)
}

/// Checks that `holds` for random workflows and interruptions, and that most cases were interrupted.
fn check(
    cases: u32,
    classes: &'static [Class],
    interruptions: impl Strategy<Value = Vec<Interruption>>,
    holds: impl Fn(&[Node], &[Interruption]) -> Result<u32, TestCaseError>,
) {
    let config = ProptestConfig {
        cases,
        failure_persistence: None,
        max_shrink_iters: 400,
        ..ProptestConfig::default()
    };
    let interrupted = Cell::new(0);
    let result = TestRunner::new(config).run(&(nodes(classes), interruptions), |(nodes, interruptions)| {
        interrupted.set(interrupted.get() + holds(&nodes, &interruptions)?);
        Ok(())
    });
    if let Err(failure) = result {
        panic!("{failure}");
    }
    assert!(interrupted.get() > cases / 2, "too little was interrupted: {}", interrupted.get());
}

/// What holds of every execution, interrupted or not.
fn sound(came: &Came) -> TestCaseResult {
    prop_assert_eq!(&came.trace.faults, &Vec::<String>::new());
    prop_assert_eq!(&came.conflicts, &Vec::<String>::new(), "one key for two things");
    for (key, requests) in &came.requests {
        let dispatched = came.trace.dispatched.get(key).copied().unwrap_or_default();
        prop_assert!(
            *requests <= dispatched,
            "{key} was performed {requests} times, dispatched {dispatched}"
        );
    }
    for (key, done) in came.done.iter().filter(|(_, done)| done.class == EffectClass::Irreversible) {
        let intended = came.trace.intended[key];
        prop_assert_eq!(came.trace.dispatched[key], intended, "{:?} was dispatched again", done);
        prop_assert!(came.requests[key] <= intended, "{done:?} was tried again");
    }
    Ok(())
}

#[test]
fn an_interrupted_run_comes_to_what_an_uninterrupted_one_does() {
    check(220, REPEATABLE, interruptions(), |nodes, interruptions| {
        let (calm, shaken) = simulated(async {
            (execute(nodes, INPUT, &[]).await, execute(nodes, INPUT, interruptions).await)
        });
        for came in [&calm, &shaken] {
            sound(came)?;
            let Some(End::Completed(output)) = &came.end else {
                return Err(TestCaseError::fail(format!("it ended with {:?}", came.end)));
            };
            prop_assert_eq!(number(output), Some(expected(nodes, INPUT)));
            prop_assert_eq!(&came.trace.open, &Vec::<String>::new(), "a run was left behind");
            let recorded = came.trace.succeeded.iter().filter(|key| came.requests.contains_key(*key));
            prop_assert!(recorded.eq(came.done.keys()), "what was done and what was recorded differ");
        }
        prop_assert_eq!(&shaken.trace.ended, &calm.trace.ended);
        prop_assert_eq!(shaken.deeds(), calm.deeds());
        Ok(shaken.interrupted)
    });
}

#[test]
fn what_may_not_be_repeated_is_done_at_most_once() {
    check(120, ONCE, interruptions(), |nodes, interruptions| {
        let came = simulated(execute(nodes, INPUT, interruptions));
        sound(&came)?;
        match &came.end {
            Some(End::Completed(output)) => prop_assert_eq!(number(output), Some(expected(nodes, INPUT))),
            Some(other) => return Err(TestCaseError::fail(format!("it ended with {other:?}"))),
            None => prop_assert!(came.trace.suspended, "somebody has to decide"),
        }
        Ok(came.interrupted)
    });
}

#[test]
fn a_cancelled_run_ends_and_takes_its_children_along() {
    let cancelled = (1..20_u8, interruptions()).prop_map(|(events, mut interruptions)| {
        interruptions.insert(0, Interruption::Cancel(events));
        interruptions
    });
    check(120, REPEATABLE, cancelled, |nodes, interruptions| {
        let came = simulated(execute(nodes, INPUT, interruptions));
        sound(&came)?;
        match &came.end {
            Some(End::Completed(output)) => prop_assert_eq!(number(output), Some(expected(nodes, INPUT))),
            Some(End::Cancelled(_)) => {}
            other => return Err(TestCaseError::fail(format!("it ended with {other:?}"))),
        }
        prop_assert_eq!(&came.trace.open, &Vec::<String>::new(), "a run was left behind");
        Ok(came.interrupted)
    });
}
