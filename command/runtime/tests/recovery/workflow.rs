//! Random workflows over one number, and what they make of it.

use proptest::prelude::*;
use serde_json::{Value, json};

/// All arithmetic is modulo this.
pub(crate) const MODULUS: u64 = 1_000_003;

/// What a class of effects is called in `metadata.effect`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Class {
    Keyed,
    Pure,
    Idempotent,
    Irreversible,
}

impl Class {
    const fn name(self) -> &'static str {
        match self {
            Self::Keyed => "keyed",
            Self::Pure => "pure",
            Self::Idempotent => "idempotent",
            Self::Irreversible => "irreversible",
        }
    }
}

/// What a `try` tries.
#[derive(Clone, Debug)]
pub(crate) enum Risk {
    /// A call that fails that many times, which is less than the attempts.
    Recovers(Class, u8),
    /// A call that always fails.
    Fails(Class),
    /// A child run that ends with an error.
    Child(Vec<Node>),
}

/// A piece of a workflow: it takes a number and gives one.
#[derive(Clone, Debug)]
pub(crate) enum Node {
    Set(u8),
    Call(Class),
    Wait(u16),
    Group(Vec<Node>),
    Each(u8, Vec<Node>),
    While(Vec<Node>),
    Parity(Vec<Node>, Vec<Node>),
    Fork(Vec<Vec<Node>>),
    Race(Vec<Node>),
    Try { before: Vec<Node>, risk: Risk, attempts: u8, delay: u16 },
    Child(Vec<Node>),
}

/// Sequences of at most some twenty nodes, nested at most three deep, with effects of `classes`.
pub(crate) fn nodes(classes: &'static [Class]) -> impl Strategy<Value = Vec<Node>> {
    let class = move || proptest::sample::select(classes);
    let leaf = prop_oneof![
        2 => (0..100_u8).prop_map(Node::Set),
        3 => class().prop_map(Node::Call),
        // Longer than two seconds, and the run gives its worker back.
        1 => prop_oneof![1..20_u16, 2_500..4_000_u16].prop_map(Node::Wait),
    ];
    let node = leaf.prop_recursive(3, 16, 3, move |inner| {
        let some = || prop::collection::vec(inner.clone(), 1..3);
        let risk = prop_oneof![
            (class(), 1..3_u8).prop_map(|(class, times)| Risk::Recovers(class, times)),
            class().prop_map(Risk::Fails),
            some().prop_map(Risk::Child),
        ];
        prop_oneof![
            some().prop_map(Node::Group),
            (1..4_u8, some()).prop_map(|(items, body)| Node::Each(items, body)),
            some().prop_map(Node::While),
            (some(), some()).prop_map(|(even, odd)| Node::Parity(even, odd)),
            prop::collection::vec(some(), 1..4).prop_map(Node::Fork),
            some().prop_map(Node::Race),
            (prop::collection::vec(inner.clone(), 0..2), risk, 3..5_u8, 1..50_u16)
                .prop_map(|(before, risk, attempts, delay)| Node::Try { before, risk, attempts, delay }),
            some().prop_map(Node::Child),
        ]
    });
    prop::collection::vec(node, 1..4)
}

/// A workflow and the children that it starts.
pub(crate) struct Documents {
    pub(crate) root: Value,
    pub(crate) children: Vec<Value>,
}

/// The documents of a workflow.
pub(crate) fn documents(nodes: &[Node]) -> Documents {
    let mut writer = Writer { names: 0, children: Vec::new() };
    let tasks = writer.tasks(nodes);
    Documents { root: document("root", tasks), children: writer.children }
}

fn document(name: &str, tasks: Vec<Value>) -> Value {
    json!({
        "document": { "dsl": "1.0.3", "namespace": "random", "name": name, "version": "1.0.0" },
        "do": tasks,
    })
}

struct Writer {
    names: usize,
    children: Vec<Value>,
}

impl Writer {
    fn name(&mut self, kind: &str) -> String {
        self.names += 1;
        format!("{kind}{}", self.names)
    }

    fn tasks(&mut self, nodes: &[Node]) -> Vec<Value> {
        let mut tasks = Vec::new();
        for node in nodes {
            self.write(node, &mut tasks);
        }
        tasks
    }

    fn write(&mut self, node: &Node, tasks: &mut Vec<Value>) {
        let mut add = |name: String, task: Value| tasks.push(json!({ name: task }));
        match node {
            Node::Set(by) => add(self.name("set"), set(&format!(".n * 3 + {by}"))),
            Node::Call(class) => {
                let name = self.name("call");
                add(name.clone(), call(&name, *class, "0"));
            }
            Node::Wait(millis) => add(self.name("wait"), json!({ "wait": { "milliseconds": millis } })),
            Node::Group(nodes) => add(self.name("group"), json!({ "do": self.tasks(nodes) })),
            Node::Each(items, body) => {
                let items: Vec<u8> = (1..=*items).collect();
                let mut body = self.tasks(body);
                body.insert(0, json!({ "item": set(".n + $x") }));
                let each = json!({ "each": "x", "in": format!("${{ {} }}", json!(items)) });
                add(self.name("each"), json!({ "for": each, "do": body }));
            }
            Node::While(body) => {
                let mut body = self.tasks(body);
                body.insert(0, json!({ "round": set(".n + $i") }));
                let each = json!({ "at": "i", "in": "${ [0, 1, 2, 3] }" });
                add(self.name("while"), json!({ "for": each, "while": "${ .n % 3 != 0 }", "do": body }));
            }
            Node::Parity(even, odd) => {
                let names = ["even", "odd", "joined"].map(|kind| self.name(kind));
                let cases = json!([
                    { "even": { "when": "${ .n % 2 == 0 }", "then": names[0] } },
                    { "odd": { "then": names[1] } },
                ]);
                add(self.name("parity"), json!({ "switch": cases }));
                add(names[0].clone(), json!({ "do": self.tasks(even), "then": names[2] }));
                add(names[1].clone(), json!({ "do": self.tasks(odd) }));
                add(names[2].clone(), set(".n"));
            }
            Node::Fork(branches) => {
                let mut written = Vec::new();
                for branch in branches {
                    written.push(json!({ self.name("branch"): { "do": self.tasks(branch) } }));
                }
                let sum: Vec<String> = (0..branches.len()).map(|index| format!(".[{index}].n")).collect();
                let sum = format!("${{ {{ n: (({}) % {MODULUS}) }} }}", sum.join(" + "));
                add(self.name("fork"), json!({ "fork": { "branches": written }, "output": { "as": sum } }));
            }
            Node::Race(winner) => {
                let late = json!([
                    { "sleep": { "wait": { "hours": 1 } } },
                    { "never": call("never", Class::Keyed, "0") },
                ]);
                let branches = json!([
                    { "winner": { "do": self.tasks(winner) } },
                    { "loser": { "do": late } },
                ]);
                add(self.name("race"), json!({ "fork": { "compete": true, "branches": branches } }));
            }
            Node::Try { before, risk, attempts, delay } => {
                let mut tried = self.tasks(before);
                let name = self.name("risk");
                tried.push(match risk {
                    Risk::Recovers(class, times) => {
                        json!({ name.clone(): call(&name, *class, &times.to_string()) })
                    }
                    Risk::Fails(class) => json!({ name.clone(): call(&name, *class, "always") }),
                    Risk::Child(nodes) => {
                        let error = json!({ "error": { "type": "urn:random", "status": 500 } });
                        json!({ name: self.child(nodes, Some(json!({ "raise": error }))) })
                    }
                });
                let retry = json!({
                    "delay": { "milliseconds": delay },
                    "limit": { "attempt": { "count": attempts } },
                });
                let catch = json!({ "retry": retry, "do": [{ "caught": set(".n + 7") }] });
                add(self.name("try"), json!({ "try": tried, "catch": catch }));
            }
            Node::Child(nodes) => {
                let child = self.child(nodes, None);
                add(self.name("child"), child);
            }
        }
    }

    /// A task that runs a child of `nodes`, which ends with `last` if there is one.
    fn child(&mut self, nodes: &[Node], last: Option<Value>) -> Value {
        let mut tasks = self.tasks(nodes);
        tasks.extend(last.map(|last| json!({ "last": last })));
        let name = self.name("workflow");
        self.children.push(document(&name, tasks));
        json!({ "run": { "workflow": { "namespace": "random", "name": name, "version": "1.0.0" } } })
    }
}

fn set(expression: &str) -> Value {
    json!({ "set": { "n": format!("${{ ({expression}) % {MODULUS} }}") } })
}

fn call(name: &str, class: Class, fails: &str) -> Value {
    json!({
        "call": "http",
        "with": { "method": "post", "endpoint": format!("http://world/{name}/{fails}"), "body": { "n": "${ .n }" } },
        "metadata": { "effect": class.name() },
    })
}

/// What a call makes of a number.
pub(crate) const fn called(n: u64) -> u64 {
    (n * 5 + 11) % MODULUS
}

/// What `nodes` make of a number.
pub(crate) fn expected(nodes: &[Node], n: u64) -> u64 {
    nodes.iter().fold(n, |n, node| match node {
        Node::Set(by) => (n * 3 + u64::from(*by)) % MODULUS,
        Node::Call(_) => called(n),
        Node::Wait(_) => n,
        Node::Group(nodes) | Node::Race(nodes) | Node::Child(nodes) => expected(nodes, n),
        Node::Each(items, body) => {
            (1..=u64::from(*items)).fold(n, |n, item| expected(body, (n + item) % MODULUS))
        }
        Node::While(body) => {
            let mut n = n;
            for round in 0..4 {
                if n % 3 == 0 {
                    break;
                }
                n = expected(body, (n + round) % MODULUS);
            }
            n
        }
        Node::Parity(even, odd) => expected(if n % 2 == 0 { even } else { odd }, n),
        Node::Fork(branches) => branches.iter().map(|branch| expected(branch, n)).sum::<u64>() % MODULUS,
        Node::Try { before, risk, .. } => match risk {
            Risk::Recovers(..) => called(expected(before, n)),
            Risk::Fails(_) | Risk::Child(_) => (n + 7) % MODULUS,
        },
    })
}
