//! Drawing tasks. What a task is drawn as has one way in and any number of ways out.

use std::collections::HashMap;

use serde_json::Value;

use super::{
    chart::{Chart, DONE, FAULT, Loose},
    label,
};

/// Tasks of a list, drawn.
pub(super) struct List {
    /// Where the first task begins.
    pub(super) entry: Option<String>,
    /// What comes to the end of the list.
    pub(super) exits: Vec<Loose>,
    /// What leaves the list by `exit`.
    pub(super) leaves: Vec<Loose>,
}

impl List {
    /// What leads to whatever comes after the list.
    pub(super) fn into_exits(self) -> Vec<Loose> {
        self.exits.into_iter().chain(self.leaves).collect()
    }
}

impl From<String> for Loose {
    fn from(from: String) -> Self {
        Self { from, label: None }
    }
}

/// A task, drawn.
struct Drawn {
    entry: String,
    /// What the task's own directive decides about.
    exits: Vec<Loose>,
    /// What goes on to the next task, because a condition did not hold.
    skips: Vec<Loose>,
    /// Edges with directives of their own: cases of a `switch`.
    directed: Vec<(Loose, String)>,
}

impl Drawn {
    fn with_exits(entry: String, exits: Vec<Loose>) -> Self {
        Self { entry, exits, skips: Vec::new(), directed: Vec::new() }
    }
}

pub(super) struct Draw<'c> {
    pub(super) chart: &'c mut Chart,
    /// The nodes of the `catch`es around, innermost last.
    catches: Vec<String>,
}

impl<'c> Draw<'c> {
    pub(super) fn new(chart: &'c mut Chart) -> Self {
        Self { chart, catches: Vec::new() }
    }

    /// Draws a list of tasks, in a subgraph if it has a title.
    pub(super) fn list(&mut self, list: Option<&Value>, title: Option<&str>) -> List {
        let scope = title.map(|title| {
            let id = self.chart.fresh();
            self.chart.open(&id, title);
            id
        });
        let tasks: Vec<(&str, &Value)> = named(list);
        let drawn: Vec<Drawn> = tasks.iter().map(|(name, task)| self.task(name, task)).collect();
        if scope.is_some() {
            self.chart.close();
        }
        let entries: HashMap<&str, String> =
            tasks.iter().zip(&drawn).map(|((name, _), drawn)| (*name, drawn.entry.clone())).collect();
        let entry = drawn.first().map(|first| first.entry.clone());
        let following: Vec<Option<String>> =
            drawn.iter().skip(1).map(|next| Some(next.entry.clone())).chain([None]).collect();
        let (mut exits, mut leaves) = (Vec::new(), Vec::new());
        for (((_, task), drawn), next) in tasks.iter().zip(drawn).zip(following) {
            let then = directive(task);
            let own = drawn.exits.into_iter().map(|exit| (exit, then.clone()));
            let skips = drawn.skips.into_iter().map(|exit| (exit, "continue".to_owned()));
            for (exit, flow) in own.chain(skips).chain(drawn.directed) {
                let target = match &*flow {
                    "end" => Some(DONE),
                    "exit" => {
                        leaves.push(exit);
                        continue;
                    }
                    "continue" => next.as_deref(),
                    name => entries.get(name).map(String::as_str),
                };
                match target {
                    Some(target) => self.chart.leave(exit, target),
                    None => exits.push(exit),
                }
            }
        }
        List { entry, exits, leaves }
    }

    fn task(&mut self, name: &str, task: &Value) -> Drawn {
        let condition = task.get("if").map(|condition| {
            let id = self.chart.fresh();
            let text = label::lines(["if".to_owned(), label::brief(condition)]);
            self.chart.declare(&id, &format!("{{{text}}}"));
            id
        });
        let mut drawn = self.body(name, task);
        if let Some(id) = condition {
            self.chart.edge(&id, &drawn.entry, Some("\"yes\""), false);
            drawn.skips.push(Loose { from: id.clone(), label: Some("\"no\"".into()) });
            drawn.entry = id;
        }
        drawn
    }

    fn body(&mut self, name: &str, task: &Value) -> Drawn {
        let has = |field: &str| task.get(field).is_some();
        if has("for") {
            return self.repeat(name, task);
        }
        if has("do") {
            let list = self.list(task.get("do"), Some(&label::lines([name.to_owned(), "do".to_owned()])));
            return self.around(name, list);
        }
        if has("fork") {
            return self.fork(name, task);
        }
        if has("try") {
            return self.attempt(name, task);
        }
        if has("switch") {
            return self.switch(name, task);
        }
        if has("foreach") {
            return self.listen(name, task);
        }
        let id = self.chart.fresh();
        let (kind, left, right) = kind(task);
        let text = label::lines([name.to_owned(), kind]);
        self.chart.declare(&id, &format!("{left}{text}{right}"));
        if has("raise") {
            let target = self.catches.last().map_or(FAULT, String::as_str).to_owned();
            self.chart.edge(&id, &target, Some("\"raises\""), true);
            return Drawn::with_exits(id, Vec::new());
        }
        Drawn::with_exits(id.clone(), vec![Loose::from(id)])
    }

    /// What a subgraph without nodes of its own is drawn as.
    fn around(&mut self, name: &str, list: List) -> Drawn {
        let entry = list.entry.clone().unwrap_or_else(|| {
            let id = self.chart.fresh();
            self.chart.declare(&id, &format!("[{}]", label::line(name)));
            id
        });
        Drawn::with_exits(entry, list.into_exits())
    }

    fn repeat(&mut self, name: &str, task: &Value) -> Drawn {
        let scope = self.chart.fresh();
        self.chart.open(&scope, &label::lines([name.to_owned(), "for".to_owned()]));
        let head = self.chart.fresh();
        let text = |path: &str| task.pointer(path).map(label::brief);
        let each = text("/for/each").unwrap_or_else(|| "item".into());
        let source = text("/for/in").unwrap_or_default();
        let condition = text("/while").map(|condition| format!("while {condition}"));
        let lines = [format!("each {each} in {source}")].into_iter().chain(condition);
        self.chart.declare(&head, &format!("{{{{{}}}}}", label::lines(lines)));
        let list = self.list(task.get("do"), None);
        self.chart.close();
        if let Some(entry) = &list.entry {
            self.chart.edge(&head, entry, Some("\"next\""), false);
        }
        for exit in list.exits {
            self.chart.leave(exit, &head);
        }
        let mut exits = list.leaves;
        exits.push(Loose { from: head.clone(), label: Some("\"done\"".into()) });
        Drawn::with_exits(head, exits)
    }

    fn fork(&mut self, name: &str, task: &Value) -> Drawn {
        let scope = self.chart.fresh();
        self.chart.open(&scope, &label::lines([name.to_owned(), "fork".to_owned()]));
        let (head, join) = (self.chart.fresh(), self.chart.fresh());
        let compete = task.pointer("/fork/compete").and_then(Value::as_bool).unwrap_or(false);
        self.chart.declare(&head, &format!("[/{}\\]", label::line("fork")));
        for (name, branch) in named(task.pointer("/fork/branches")) {
            let drawn = self.task(name, branch);
            self.chart.edge(&head, &drawn.entry, None, false);
            let target = if directive(branch) == "end" { DONE } else { &join };
            for exit in drawn.exits {
                self.chart.leave(exit, target);
            }
            for exit in drawn.skips {
                self.chart.leave(exit, &join);
            }
            for (exit, flow) in drawn.directed {
                self.chart.leave(exit, if flow == "end" { DONE } else { &join });
            }
        }
        let text = if compete { "first wins" } else { "all" };
        self.chart.declare(&join, &format!("[\\{}/]", label::line(text)));
        self.chart.close();
        Drawn { entry: head, ..Drawn::with_exits(join.clone(), vec![Loose::from(join)]) }
    }

    fn attempt(&mut self, name: &str, task: &Value) -> Drawn {
        let scope = self.chart.fresh();
        self.chart.open(&scope, &label::lines([name.to_owned(), "try".to_owned()]));
        let caught = self.chart.fresh();
        self.catches.push(caught.clone());
        let body = self.chart.fresh();
        self.chart.open(&body, &label::line("try"));
        let tried = self.list(task.get("try"), None);
        self.chart.close();
        self.catches.pop();

        let catch = task.get("catch").unwrap_or(&Value::Null);
        let part = |field: &str, words: &str| {
            catch.get(field).map(|value| format!("{words} {}", label::brief(value)))
        };
        let errors = catch.pointer("/errors/with").map(label::brief);
        let lines = ["catch".to_owned()]
            .into_iter()
            .chain(errors)
            .chain(part("when", "when"))
            .chain(part("exceptWhen", "except when"));
        self.chart.declare(&caught, &format!("{{{{{}}}}}", label::lines(lines)));
        self.chart.edge(&body, &caught, Some("\"error\""), true);
        let retry = catch.get("retry");
        let entry = tried.entry.clone().unwrap_or_else(|| caught.clone());
        if let Some(retry) = retry {
            let limit =
                retry.pointer("/limit/attempt/count").map(|count| format!("at most {count} attempts"));
            let named = retry.as_str().map(str::to_owned);
            let text = label::lines(["retry".to_owned()].into_iter().chain(named).chain(limit));
            self.chart.edge(&caught, &entry, Some(&text), true);
        }
        let mut exits = tried.into_exits();
        match (catch.get("do"), retry) {
            (Some(tasks), _) => {
                let handled = self.list(Some(tasks), Some(&label::line("catch")));
                if let Some(first) = &handled.entry {
                    self.chart.edge(&caught, first, None, false);
                }
                exits.extend(handled.into_exits());
            }
            (None, None) => exits.push(Loose { from: caught.clone(), label: Some("\"caught\"".into()) }),
            // A policy that gives up, with nothing to do instead, lets the error go on.
            (None, Some(_)) => {
                let outer = self.catches.last().map_or(FAULT, String::as_str).to_owned();
                self.chart.edge(&caught, &outer, Some("\"gives up\""), true);
            }
        }
        self.chart.close();
        Drawn::with_exits(entry, exits)
    }

    fn switch(&mut self, name: &str, task: &Value) -> Drawn {
        let id = self.chart.fresh();
        self.chart.declare(&id, &format!("{{{}}}", label::lines([name.to_owned(), "switch".to_owned()])));
        let cases = named(task.get("switch"));
        let mut exits = Vec::new();
        if cases.iter().all(|(_, case)| case.get("when").is_some()) {
            exits.push(Loose { from: id.clone(), label: Some("\"otherwise\"".into()) });
        }
        let directed = cases
            .into_iter()
            .map(|(name, case)| {
                let when = case.get("when").map(label::brief);
                let text = label::lines([name.to_owned()].into_iter().chain(when));
                (Loose { from: id.clone(), label: Some(text) }, directive(case))
            })
            .collect();
        Drawn { directed, ..Drawn::with_exits(id, exits) }
    }

    /// A `listen` that does something with each event.
    fn listen(&mut self, name: &str, task: &Value) -> Drawn {
        let scope = self.chart.fresh();
        self.chart.open(&scope, &label::lines([name.to_owned(), "listen".to_owned()]));
        let head = self.chart.fresh();
        self.chart.declare(&head, &format!("[/{}/]", label::line(&kind(task).0)));
        let list = self.list(task.pointer("/foreach/do"), None);
        self.chart.close();
        if let Some(entry) = &list.entry {
            self.chart.edge(&head, entry, Some("\"each event\""), false);
        }
        for exit in list.exits {
            self.chart.leave(exit, &head);
        }
        let mut exits = list.leaves;
        exits.push(Loose { from: head.clone(), label: Some("\"done\"".into()) });
        Drawn::with_exits(head, exits)
    }
}

/// The named entries of a list.
fn named(list: Option<&Value>) -> Vec<(&str, &Value)> {
    let items = list.and_then(Value::as_array).into_iter().flatten();
    items
        .filter_map(|item| item.as_object()?.iter().next())
        .map(|(name, task)| (name.as_str(), task))
        .collect()
}

fn directive(task: &Value) -> String {
    task.get("then").and_then(Value::as_str).unwrap_or("continue").to_owned()
}

/// What a task does, in a line, and the shape of its node.
fn kind(task: &Value) -> (String, &'static str, &'static str) {
    let words = |path: &str| task.pointer(path).map(label::brief).unwrap_or_default();
    let some = |field: &str| task.get(field).is_some();
    if some("call") {
        let detail = match task.get("call").and_then(Value::as_str) {
            Some("http") => {
                let uri = words(if task.pointer("/with/endpoint/uri").is_some() {
                    "/with/endpoint/uri"
                } else {
                    "/with/endpoint"
                });
                format!("{} {uri}", words("/with/method").to_uppercase())
            }
            Some("openapi") => words("/with/operationId"),
            Some("grpc") => format!("{}/{}", words("/with/service/name"), words("/with/method")),
            Some("approval") => words("/with/title"),
            _ => String::new(),
        };
        return (format!("call {} {detail}", words("/call")).trim_end().to_owned(), "[[", "]]");
    }
    if let Some(run) = task.get("run") {
        let what =
            ["shell", "script", "container", "workflow"].into_iter().find(|what| run.get(what).is_some());
        let detail = match what {
            Some("workflow") => words("/run/workflow/name"),
            Some("script") => words("/run/script/language"),
            Some("container") => words("/run/container/image"),
            _ => String::new(),
        };
        return (format!("run {} {detail}", what.unwrap_or_default()).trim_end().to_owned(), "[[", "]]");
    }
    if some("wait") {
        return (format!("wait {}", words("/wait")), "([", "])");
    }
    if some("listen") {
        let how = task.pointer("/listen/to").and_then(Value::as_object).and_then(|to| to.keys().next());
        return (format!("listen {}", how.map_or("", String::as_str)).trim_end().to_owned(), "[/", "/]");
    }
    if some("emit") {
        return (format!("emit {}", words("/emit/event/with/type")), "[\\", "\\]");
    }
    if some("raise") {
        let error = task.pointer("/raise/error");
        let name = error.and_then(Value::as_str).map(str::to_owned);
        let kind = name.or_else(|| {
            let kind = error?.get("type")?.as_str()?;
            Some(kind.rsplit('/').next().unwrap_or(kind).to_owned())
        });
        return (format!("raise {}", kind.unwrap_or_default()), ">", "]");
    }
    ("set".to_owned(), "[", "]")
}
