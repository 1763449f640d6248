//! The text of a chart: nodes in their subgraphs first, then all edges, so that an edge never moves a node.

use std::fmt::Write;

/// The node at which the run begins.
pub(super) const START: &str = "start";
/// The node at which the run ends well. `end` is a word of Mermaid.
pub(super) const DONE: &str = "done";
/// The node at which the run ends with an error.
pub(super) const FAULT: &str = "fault";

/// An edge that has left its node and has no target yet.
#[derive(Clone, Debug)]
pub(super) struct Loose {
    pub(super) from: String,
    /// A quoted label.
    pub(super) label: Option<String>,
}

#[derive(Debug)]
pub(super) struct Chart {
    nodes: String,
    edges: String,
    depth: usize,
    counted: usize,
    done: bool,
    fault: bool,
}

impl Chart {
    pub(super) fn new() -> Self {
        Self { nodes: String::new(), edges: String::new(), depth: 1, counted: 0, done: false, fault: false }
    }

    /// An id that is not used yet.
    pub(super) fn fresh(&mut self) -> String {
        self.counted += 1;
        format!("t{}", self.counted)
    }

    /// Adds a node to the subgraph that is open.
    pub(super) fn declare(&mut self, id: &str, shape: &str) {
        self.line(&format!("{id}{shape}"));
    }

    pub(super) fn open(&mut self, id: &str, label: &str) {
        self.line(&format!("subgraph {id}[{label}]"));
        self.depth += 1;
    }

    pub(super) fn close(&mut self) {
        self.depth -= 1;
        self.line("end");
    }

    fn line(&mut self, text: &str) {
        // Writing to a string cannot fail.
        let _ = writeln!(self.nodes, "{:indent$}{text}", "", indent = self.depth * 2);
    }

    pub(super) fn edge(&mut self, from: &str, to: &str, label: Option<&str>, dotted: bool) {
        self.done |= to == DONE;
        self.fault |= to == FAULT;
        let arrow = if dotted { "-.->" } else { "-->" };
        let label = label.map(|label| format!("|{label}|")).unwrap_or_default();
        let _ = writeln!(self.edges, "  {from} {arrow}{label} {to}");
    }

    pub(super) fn leave(&mut self, exit: Loose, to: &str) {
        self.edge(&exit.from, to, exit.label.as_deref(), false);
    }

    pub(super) fn finish(mut self, title: &str) -> String {
        if self.done {
            self.declare(DONE, "([\"end\"])");
        }
        if self.fault {
            self.declare(FAULT, "([\"fault\"])");
        }
        format!("%% {title}\nflowchart TD\n{}{}", self.nodes, self.edges)
    }
}
