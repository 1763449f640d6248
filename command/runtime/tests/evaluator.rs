//! Expressions that are meant to hurt, in real worker processes.
#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

use std::{
    path::PathBuf,
    sync::{Arc, Barrier},
    thread,
    time::Duration,
};

use openclaw_runtime::evaluator::{JqEvaluator, Limits, WorkerCommand};
use openclaw_workflow::expression::{EvaluationError, Evaluator, Expression, Failure, Scope};
use serde_json::{Value, json};

struct Nothing;

impl Scope for Nothing {
    fn variable(&self, _: &str) -> Option<Value> {
        None
    }
}

fn command() -> WorkerCommand {
    WorkerCommand { program: env!("CARGO_BIN_EXE_expression-worker").into(), arguments: Vec::new() }
}

fn limits() -> Limits {
    // Long enough for a slow machine to start a process, short enough for tests that wait for the end of it.
    Limits { evaluation: Duration::from_secs(2), ..Limits::default() }
}

fn evaluator() -> JqEvaluator {
    JqEvaluator::with_limits(Some(command()), 2, limits())
}

fn evaluate(evaluator: &JqEvaluator, program: &str, input: &Value) -> Result<Value, EvaluationError> {
    evaluator.evaluate(&Expression::parse(program).unwrap(), input, &Nothing)
}

fn failure(evaluator: &JqEvaluator, program: &str) -> Failure {
    let error = evaluate(evaluator, program, &json!({ "a": [1, 2] })).expect_err(program);
    assert!(error.reason.contains("(in `"), "{}", error.reason);
    error.failure().unwrap_or_else(|| panic!("{program}: {error}"))
}

#[test]
fn general_programs_give_their_result() {
    let evaluator = evaluator();
    assert_eq!(evaluate(&evaluator, "map(. * 2) | add", &json!([1, 2, 3])).unwrap(), json!(12));
    assert_eq!(
        evaluate(&evaluator, "[.[] | select(test(\"^a\"))]", &json!(["ab", "b"])).unwrap(),
        json!(["ab"])
    );
    assert_eq!(failure(&evaluator, ".[] | .b"), Failure::Jq);
    assert_eq!(evaluator.workers(), 1, "one after the other needs one worker");
}

#[test]
fn straight_programs_need_no_worker() {
    let evaluator = evaluator();
    assert_eq!(evaluate(&evaluator, ".a + 1", &json!({ "a": 1 })).unwrap(), json!(2));
    assert_eq!(evaluator.workers(), 0);
    let large = json!("x".repeat(1 << 20));
    assert_eq!(evaluate(&evaluator, "length", &large).unwrap(), json!(1 << 20));
    assert_eq!(evaluator.workers(), 1, "a large input is worked on elsewhere");
}

#[test]
fn programs_that_never_end_are_stopped_and_others_go_on() {
    let evaluator = evaluator();
    for program in [
        "last(repeat(1))",
        "last(range(1e12))",
        "def f: f; f",
        "until(false; .)",
        "[limit(1; repeat(empty))]",
    ] {
        assert_eq!(failure(&evaluator, program), Failure::TimedOut, "{program}");
        assert_eq!(evaluate(&evaluator, "map(.)", &json!([1])).unwrap(), json!([1]));
    }
}

#[test]
fn programs_that_would_fill_the_memory_or_the_stack_are_stopped() {
    let evaluator = evaluator();
    let stopped = |program: &str| {
        let failure = failure(&evaluator, program);
        // What is slow to fill the memory may meet the time limit first.
        assert!(matches!(failure, Failure::OutOfMemory | Failure::TimedOut), "{program}: {failure:?}");
        assert_eq!(evaluate(&evaluator, "map(.)", &json!([1])).unwrap(), json!([1]));
        failure
    };
    assert_eq!(stopped("\"x\" * 1000000000"), Failure::OutOfMemory);
    assert_eq!(stopped("def f: 1 + f; f"), Failure::OutOfMemory);
    stopped("[repeat(.)]");
    stopped("[range(1e12)]");
    stopped("reduce range(60) as $i (\"x\"; . + .)");
    stopped("reduce range(60) as $i ([1]; [., .]) | tojson");
    stopped("(\"[\" * 5000000) | fromjson");
    stopped("[[range(100000)] | combinations(5)]");
    stopped("[range(3000) | tostring] | join(\"\") | [[., .] | combinations(40)] | tojson");
}

#[test]
fn results_that_are_too_large_or_too_deep_are_refused() {
    // None of these is to meet the time limit, however slow the machine.
    let patient = Limits { evaluation: Duration::from_secs(60), ..Limits::default() };
    let evaluator = JqEvaluator::with_limits(Some(command()), 1, patient);
    for program in [
        "\"x\" * 5000000",
        "reduce range(40) as $i ([1]; [., .])",
        "reduce range(1000) as $i (1; [.])",
        "[range(1000000)]",
    ] {
        assert_eq!(failure(&evaluator, program), Failure::TooLarge, "{program}");
    }
    assert_eq!(failure(&evaluator, "[range(3)] | .[1e9] = 1"), Failure::Jq);
    assert_eq!(failure(&evaluator, "[range(3) | nan]"), Failure::NotJson);
    assert_eq!(evaluator.workers(), 1, "none of these costs a worker");
}

#[test]
fn patterns_do_not_explode() {
    let evaluator = evaluator();
    let text = json!("a".repeat(50_000));
    let result = evaluate(&evaluator, "test(\"(a*)*b\")", &text);
    assert!(
        matches!(&result, Ok(Value::Bool(false)))
            || result.as_ref().unwrap_err().failure() == Some(Failure::TimedOut),
        "{result:?}"
    );
    let bomb = evaluate(&evaluator, "test(\"((((a{1000}){1000}){1000}){1000})\")", &text).unwrap_err();
    assert!(bomb.failure().is_some());
    assert_eq!(evaluate(&evaluator, "map(.)", &json!([1])).unwrap(), json!([1]));
}

#[test]
fn workers_see_no_environment() {
    let evaluator = evaluator();
    assert!(Expression::parse("env | keys").is_err());
    assert!(evaluate(&evaluator, "$ENV | keys | map(.)", &json!(null)).is_err());
}

#[test]
fn without_a_worker_only_straight_programs_are_evaluated() {
    let none = JqEvaluator::new(None, 2);
    assert_eq!(evaluate(&none, ".a", &json!({ "a": 1 })).unwrap(), json!(1));
    assert_eq!(failure(&none, "map(.)"), Failure::NoWorker);
    let missing = WorkerCommand { program: PathBuf::from("/nonexistent/worker"), arguments: Vec::new() };
    assert_eq!(failure(&JqEvaluator::new(Some(missing), 2), "map(.)"), Failure::NoWorker);
    let wrong = WorkerCommand { program: PathBuf::from("/bin/true"), arguments: Vec::new() };
    assert_eq!(failure(&JqEvaluator::new(Some(wrong), 2), "map(.)"), Failure::OutOfMemory);
    let liar = WorkerCommand { program: PathBuf::from("/bin/echo"), arguments: vec!["x".repeat(10_000)] };
    assert_eq!(failure(&JqEvaluator::new(Some(liar), 2), "map(.)"), Failure::OutOfMemory);
}

#[test]
fn many_at_once_share_a_few_workers() {
    let evaluator = Arc::new(evaluator());
    let start = Arc::new(Barrier::new(16));
    let threads: Vec<_> = (0..16)
        .map(|n| {
            let (evaluator, start) = (evaluator.clone(), start.clone());
            thread::spawn(move || {
                start.wait();
                let result = evaluate(&evaluator, "[range(.)] | length", &json!(n)).unwrap();
                assert_eq!(result, json!(n));
                evaluator.workers()
            })
        })
        .collect();
    let most = threads.into_iter().map(|thread| thread.join().unwrap()).max();
    assert!(most.is_some_and(|most| (1..=2).contains(&most)), "{most:?}");
}

#[test]
fn a_queue_that_does_not_move_ends() {
    let limits = Limits { queue: Duration::from_millis(50), ..limits() };
    let evaluator = Arc::new(JqEvaluator::with_limits(Some(command()), 1, limits));
    let busy = evaluator.clone();
    let stuck = thread::spawn(move || failure(&busy, "last(repeat(1))"));
    while evaluator.workers() == 0 {
        thread::yield_now();
    }
    assert_eq!(failure(&evaluator, "map(.)"), Failure::NoWorker);
    assert_eq!(stuck.join().unwrap(), Failure::TimedOut);
}

#[test]
fn idle_workers_are_closed_and_started_again() {
    let limits = Limits { idle: Duration::from_millis(20), ..limits() };
    let evaluator = JqEvaluator::with_limits(Some(command()), 2, limits);
    for _ in 0..5 {
        assert_eq!(evaluate(&evaluator, "map(.)", &json!([1])).unwrap(), json!([1]));
        while evaluator.workers() > 0 {
            thread::sleep(Duration::from_millis(1));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn waiting_for_a_worker_does_not_hold_up_other_tasks() {
    let evaluator = Arc::new(evaluator());
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..2 {
        let evaluator = evaluator.clone();
        tasks.spawn(async move { failure(&evaluator, "last(repeat(1))") });
    }
    // Both threads of the runtime would be blocked by now, and this task with them.
    for _ in 0..5 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert!(tasks.try_join_next().is_none(), "the evaluations are still under way");
    while let Some(failure) = tasks.join_next().await {
        assert_eq!(failure.unwrap(), Failure::TimedOut);
    }
}
