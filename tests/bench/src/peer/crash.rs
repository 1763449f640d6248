//! `kill -9` in the middle of a run, of both systems, and what they do after the next start.
//!
//! The call that is open at that moment has to be made again, because nobody can know how it went. Every call more
//! than that was done already and is done twice.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::{
    Both,
    system::{Mastra, Openclaw, System},
};
use crate::{
    report::{Check, Report, Target, number},
    scenario::{NAMESPACE, document, each, item, post},
};

/// How long the run sleeps that is killed asleep.
const NAP: Duration = Duration::from_secs(6);
/// Enough for a call that was answered to be recorded as well, by either system.
const RECORDED: Duration = Duration::from_millis(300);
/// How long each of the runs sleeps that are killed together.
const NAPS: Duration = Duration::from_secs(2);

/// A way to be killed.
struct Case {
    /// For people.
    what: &'static str,
    /// Its name, here and for the peer.
    workflow: &'static str,
    /// How many of them are under way.
    runs: usize,
    /// The place, and which call of it, that is open when the process is killed. Nothing for sleeping runs.
    open: Option<(&'static str, usize)>,
    /// How long nothing has happened when they are killed.
    slept: Duration,
    /// Places that were called before.
    before: &'static [&'static str],
    /// How many calls are needed, the open one twice.
    needed: usize,
    /// Whether its calls fail, and its end is a failure.
    fails: bool,
    /// Whether somebody has to decide before.
    decides: bool,
}

const fn case(what: &'static str, workflow: &'static str, open: &'static str, needed: usize) -> Case {
    Case {
        what,
        workflow,
        runs: 1,
        open: Some((open, 1)),
        slept: Duration::ZERO,
        before: &[],
        needed,
        fails: false,
        decides: false,
    }
}

const fn asleep(what: &'static str, workflow: &'static str, runs: usize, slept: Duration) -> Case {
    Case { runs, open: None, slept, ..case(what, workflow, "", runs) }
}

const CASES: [Case; 9] = [
    case("3rd of 5 tasks", "five", "c", 6),
    Case {
        before: &["left", "right"],
        slept: RECORDED,
        ..case("slow branch of 3, two are done", "branches", "slow", 4)
    },
    case("item 7 of 10", "items", "6", 11),
    case("turn 4 of a loop of 6", "loop", "3", 7),
    asleep("4 s into a sleep of 6 s", "nap", 1, Duration::from_secs(4)),
    asleep("10 runs, 1 s into sleeps of 2 s", "naps", 10, Duration::from_secs(1)),
    Case { open: Some(("try", 3)), fails: true, ..case("3rd of 5 attempts", "flaky", "try", 6) },
    case("2nd task of a child run", "nested", "second", 5),
    Case { decides: true, ..case("the task after an approval", "decision", "pay", 4) },
];

/// What came of it.
#[derive(Debug)]
struct Outcome {
    calls: usize,
    /// How the last run to end ended, or how one stands that has not.
    status: String,
    /// From the start of the first run until nothing changes any more.
    seconds: f64,
}

impl Both {
    /// Kills both in every case.
    pub(super) async fn crash(&self) -> anyhow::Result<Report> {
        let columns = vec![
            "killed in",
            "calls needed",
            "openclaw's calls",
            "its run",
            "s",
            "Mastra's calls",
            "its run",
            "s",
        ];
        let mut report = Report::new("peer-crash", columns);
        let mut exact = 0;
        for case in &CASES {
            tracing::info!(what = case.what, "kill -9");
            let data = self.dir.join(format!("crash-{}", case.workflow));
            let ours = Openclaw::start(self.binary.clone(), data.clone()).await?;
            let ours = self.kill(System::Openclaw(ours), case).await?;
            let theirs =
                Mastra::start(self.peer.clone(), data.with_extension("db"), self.observer.base()).await?;
            let theirs = self.kill(System::Mastra(theirs), case).await?;
            let end = if case.fails { "faulted" } else { "completed" };
            exact += usize::from(ours.calls == case.needed && ours.status == end);
            report.rows.push(vec![
                case.what.into(),
                case.needed.to_string(),
                ours.calls.to_string(),
                ours.status,
                number(ours.seconds),
                theirs.calls.to_string(),
                theirs.status,
                number(theirs.seconds),
            ]);
        }
        report.checks.push(Check::new(
            format!("rows of {} with exactly the calls needed", CASES.len()),
            exact as f64,
            Target::AtLeast(CASES.len() as f64),
        ));
        report.notes.push(
            "Calls are counted at the server that both call; the one that was open at the kill counts twice. After \
             the kill the process is started again; Mastra is then told to restart its active runs \
             (`restartAllActiveWorkflowRuns`), as its documentation says; openclaw needs no telling. `suspended` \
             stands for a run that waits for a decision which it had been given. Seconds: from the first start of a \
             run until all have ended."
                .to_owned(),
        );
        Ok(report)
    }

    async fn kill(&self, mut system: System, case: &Case) -> anyhow::Result<Outcome> {
        let observer = &self.observer;
        observer.reset();
        if let Some((place, number)) = case.open {
            observer.hold(place, number);
        }
        if case.fails {
            observer.fail(case.open.map_or("", |(place, _)| place));
        }
        system.register(documents(case.workflow, observer.base())).await?;
        let started = Instant::now();
        let mut runs = Vec::new();
        for _ in 0..case.runs {
            runs.push(system.begin(case.workflow).await?);
        }
        if case.decides {
            system.decide(case.workflow, &runs[0]).await?;
        }
        for place in case.before {
            observer.arrived(place, 1).await?;
        }
        if let Some((place, number)) = case.open {
            observer.arrived(place, number).await?;
        }
        tokio::time::sleep(case.slept).await;
        let mut system = system.kill_and_start(observer.base()).await?;
        // Whoever goes on makes the open call again. It is let go at once, so that whoever does not is seen as well.
        if let Some((place, _)) = case.open {
            observer.release(place);
        }
        let mut status = String::new();
        for run in &runs {
            status = system.settled(case.workflow, run).await?;
        }
        let seconds = started.elapsed().as_secs_f64();
        system.stop().await?;
        Ok(Outcome { calls: observer.take().len(), status, seconds })
    }
}

fn wait(time: Duration) -> Value {
    json!({ "nap": { "wait": { "milliseconds": time.as_millis() as u64 } } })
}

/// The documents of a case.
fn documents(workflow: &str, base: &str) -> Vec<Value> {
    let call = |name: &str| json!({ name: post(base, name) });
    let tasks = match workflow {
        "five" => ["a", "b", "c", "d", "e"].map(call).to_vec(),
        "branches" => {
            let branches = ["left", "right", "slow"].map(call);
            vec![json!({ "all": { "fork": { "branches": branches } } })]
        }
        "items" => vec![each(10, json!({ "call": item(base) }))],
        "loop" => vec![json!({ "turns": {
            "for": { "each": "item", "in": "[range(100)]" },
            "while": "$item < 6",
            "do": [{ "call": item(base) }],
        } })],
        "nap" => vec![wait(NAP), call("woken")],
        "naps" => vec![wait(NAPS), call("up")],
        "flaky" => vec![json!({ "persist": {
            "try": [call("try")],
            "catch": { "retry": { "limit": { "attempt": { "count": 5 } } } },
        } })],
        "nested" => {
            let child = json!({ "run": { "workflow": { "namespace": NAMESPACE, "name": "pair", "version": "1.0.0" } } });
            let tasks = vec![call("before"), json!({ "pair": child }), call("after")];
            return vec![document("pair", vec![call("first"), call("second")]), document(workflow, tasks)];
        }
        _ => {
            let approve = json!({ "call": "approval", "with": { "title": "Pay?", "assignees": ["ada"] } });
            vec![call("before"), json!({ "approve": approve }), call("pay"), call("after")]
        }
    };
    vec![document(workflow, tasks)]
}

#[cfg(test)]
mod tests {
    use openclaw_workflow::definition;

    use super::*;

    #[test]
    fn every_case_has_valid_documents() {
        for document in CASES.iter().flat_map(|case| documents(case.workflow, "http://127.0.0.1:1")) {
            let read = definition::from_value(document.clone());
            assert!(read.is_ok(), "{document}: {:?}", read.err());
        }
    }
}
