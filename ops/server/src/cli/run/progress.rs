//! What a run is doing, for the person who waits.

use std::{
    collections::BTreeMap,
    io::{self, IsTerminal},
    time::Duration,
};

use futures_util::StreamExt;
use indicatif::{ProgressBar, ProgressStyle};
use openclaw_client::{Client, Run};
use serde_json::{Value, json};
use tokio::{task::JoinSet, time::timeout};

use super::output;

/// The events of one run, and not of the whole log: who may start a run need not be an auditor.
const EVENTS: &str = "subscription($after: Position, $id: ID!) {
    run(after: $after, id: $id) { event { type data } }
}";

/// How long the last lines may take after the run has ended.
const TAIL: Duration = Duration::from_secs(1);

/// Shows a run until it is told to finish.
pub(super) struct Progress {
    watching: JoinSet<()>,
    screen: Screen,
}

/// A line at the bottom of a terminal, or nothing but lines.
#[derive(Clone)]
struct Screen {
    bar: Option<ProgressBar>,
}

impl Screen {
    fn new() -> Self {
        if !io::stderr().is_terminal() {
            return Self { bar: None };
        }
        let bar = ProgressBar::new_spinner();
        if let Ok(style) = ProgressStyle::with_template("{spinner} {elapsed_precise} {msg}") {
            bar.set_style(style);
        }
        bar.enable_steady_tick(Duration::from_millis(120));
        Self { bar: Some(bar) }
    }

    fn line(&self, line: &str) {
        match &self.bar {
            Some(bar) => bar.println(line),
            None => output::note(line),
        }
    }

    fn now(&self, open: &Open) {
        if let Some(bar) = &self.bar {
            bar.set_message(open.to_string());
        }
    }
}

impl Progress {
    /// Watches from the run's first event on.
    pub(super) fn watch(client: Client, first: &Run) -> Self {
        let screen = Screen::new();
        let variables = json!({
            // The first command's events lie together, so none of the run's lies before this.
            "after": first.position.0.saturating_sub(first.stream_version.0).to_string(),
            "id": first.run_id,
        });
        let mut watching = JoinSet::new();
        watching.spawn({
            let screen = screen.clone();
            async move {
                let mut open = Open::default();
                let Ok(mut updates) = client.subscribe(EVENTS, variables).await else { return };
                while let Some(Ok(update)) = updates.next().await {
                    let event = &update["run"]["event"];
                    let kind = event["type"].as_str().unwrap_or_default();
                    if let Some(line) = open.apply(kind, &event["data"]) {
                        screen.line(&line);
                    }
                    screen.now(&open);
                    if is_end(kind) {
                        return;
                    }
                }
            }
        });
        Self { watching, screen }
    }

    /// Shows what is still on its way if the run has ended, and clears the line.
    pub(super) async fn finish(mut self, ended: Option<&Run>) {
        if ended.is_some() {
            // What does not come in time is in the log all the same.
            let _ = timeout(TAIL, self.watching.join_next()).await;
        }
        self.watching.shutdown().await;
        if let Some(bar) = self.screen.bar {
            bar.finish_and_clear();
        }
    }
}

fn is_end(kind: &str) -> bool {
    matches!(kind, "run.completed" | "run.faulted" | "run.cancelled")
}

/// The tasks that are open, by ordinal.
#[derive(Debug, Default)]
struct Open {
    names: BTreeMap<u64, String>,
    done: u64,
}

impl Open {
    /// Takes an event in, and answers the line that it is worth.
    fn apply(&mut self, kind: &str, data: &Value) -> Option<String> {
        let task = data["task"].as_u64();
        let text = |name: &str| data[name].as_str().unwrap_or_default().to_owned();
        let what = kind.strip_prefix("run.").unwrap_or(kind);
        match what {
            "task_started" => {
                let mut name = printable(&text("name"));
                if let Some(iteration) = data["iteration"].as_u64() {
                    name.push_str(&format!("[{iteration}]"));
                }
                if let Some(task) = task {
                    self.names.insert(task, name.clone());
                }
                Some(format!("  started   {name} ({})", text("kind")))
            }
            "task_skipped" => Some(format!("  skipped   {}", printable(&text("name")))),
            "task_completed" | "task_faulted" | "task_cancelled" => {
                self.done += 1;
                let name = task.and_then(|task| self.names.remove(&task)).unwrap_or_else(|| "a task".into());
                let verb = what.trim_start_matches("task_");
                let why = data["error"]["title"].as_str().or_else(|| data["error"]["type"].as_str());
                let why = why.map(|why| format!(": {}", printable(why))).unwrap_or_default();
                Some(format!("  {verb:<9} {name}{why}"))
            }
            "task_retried" => {
                let name = task.and_then(|task| self.names.get(&task)).map_or("a task", String::as_str);
                Some(format!("  retry     {name}, attempt {} at {}", data["attempt"], text("due")))
            }
            "effect_unknown" => {
                let name = task.and_then(|task| self.names.get(&task)).map_or("a task", String::as_str);
                Some(format!("  unknown   {name}: it may or may not have happened; somebody has to decide"))
            }
            _ => None,
        }
    }
}

impl std::fmt::Display for Open {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} done", self.done)?;
        for (index, name) in self.names.values().rev().take(4).enumerate() {
            f.write_str(if index == 0 { ", now " } else { ", " })?;
            f.write_str(name)?;
        }
        Ok(())
    }
}

/// Names come from documents; a terminal must not obey them.
fn printable(text: &str) -> String {
    text.chars().take(80).map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tasks_are_shown_from_their_start_to_their_end() {
        let mut open = Open::default();
        let started = |task: u64, name: &str| json!({ "task": task, "name": name, "kind": "run" });
        assert_eq!(open.apply("run.task_started", &started(1, "split")).unwrap(), "  started   split (run)");
        let mut item = started(2, "count");
        item["iteration"] = json!(3);
        open.apply("run.task_started", &item);
        assert_eq!(open.to_string(), "0 done, now count[3], split");
        let fault = json!({ "task": 2, "error": { "type": "t", "title": "exit code 3" } });
        assert_eq!(open.apply("run.task_faulted", &fault).unwrap(), "  faulted   count[3]: exit code 3");
        assert_eq!(open.apply("run.task_completed", &json!({ "task": 1 })).unwrap(), "  completed split");
        assert_eq!(open.to_string(), "2 done");
        assert_eq!(open.apply("run.completed", &json!({})), None);
    }

    #[test]
    fn a_name_cannot_move_the_cursor() {
        let line = Open::default().apply("run.task_skipped", &json!({ "name": "\u{1b}[2Jx\n" })).unwrap();
        assert!(!line.chars().any(char::is_control), "{line:?}");
    }
}
