//! `use`: components that tasks refer to by name (dsl-reference, "Use").

use super::{
    MAX_TASKS, authentication, extension, fault,
    model::Duration,
    problem::code,
    reader::{Fields, Node, Reader, excerpt, join},
    tasks,
};
use crate::suggest;

/// Checks `use` as a whole, also what nothing refers to.
pub(super) fn check<'d>(reader: &mut Reader<'d>, document: &Fields<'d>) {
    let Some(node) = document.get("use") else { return };
    let known = [
        "authentications",
        "catalogs",
        "errors",
        "extensions",
        "functions",
        "retries",
        "secrets",
        "timeouts",
    ];
    let Some(fields) = reader.object(&node, &known) else { return };
    each(reader, &fields, "errors", fault::read_error);
    each(reader, &fields, "timeouts", limit);
    // The variable of the error is named where the policy is used; by default it is `error`.
    reader.variables.push("error".to_owned());
    each(reader, &fields, "retries", fault::read_retry);
    reader.variables.pop();
    functions(reader, &fields);
    each(reader, &fields, "authentications", authentication::policy);
    if let Some(secrets) = fields.get("secrets") {
        for secret in reader.array(&secrets).unwrap_or_default() {
            reader.text(&secret);
        }
    }
    extension::check(reader, &fields);
    if let Some(node) = fields.get("catalogs")
        && node.value.as_object().is_none_or(|catalogs| !catalogs.is_empty())
    {
        reader.unsupported(&node.path, "a catalog");
    }
}

/// Checks every function on its own. What they call is checked as the functions are.
fn functions<'d>(reader: &mut Reader<'d>, fields: &Fields<'d>) {
    let before = (reader.tasks_left, reader.bytes_left);
    reader.shallow = true;
    each(reader, fields, "functions", |reader, node| {
        let name = node.path.rsplit('/').next().unwrap_or_default().to_owned();
        tasks::one(reader, node, &name, &node.path, &[])
    });
    reader.shallow = false;
    // They count where they are called.
    (reader.tasks_left, reader.bytes_left) = before;
}

fn each<'d, T>(
    reader: &mut Reader<'d>,
    fields: &Fields<'d>,
    kind: &str,
    mut check: impl FnMut(&mut Reader<'d>, &Node<'d>) -> Option<T>,
) {
    let Some(node) = fields.get(kind) else { return };
    let Some(map) = reader.map(&node) else { return };
    if map.len() > MAX_TASKS {
        reader.report(code::TOO_MANY_TASKS, &node.path, format!("there are more than {MAX_TASKS} of them"));
        return;
    }
    for (name, value) in map {
        check(reader, &node.child(name, value));
    }
}

/// A timeout: `after` and a duration.
fn limit<'d>(reader: &mut Reader<'d>, node: &Node<'d>) -> Option<Duration> {
    let fields = reader.object(node, &["after"])?;
    let after = reader.required(&fields, "after")?;
    reader.duration(&after)
}

impl<'d> Reader<'d> {
    /// The component `name` of a kind, if there is one.
    pub(super) fn reusable(&self, kind: &str, name: &str) -> Option<Node<'d>> {
        let value = self.root.get("use")?.get(kind)?.get(name)?;
        Some(Node { value, path: join(&join("/use", kind), name) })
    }

    /// The names of the components of a kind.
    pub(super) fn reusable_names(&self, kind: &str) -> impl Iterator<Item = &'d str> + use<'d> {
        let map = self.root.get("use").and_then(|components| components.get(kind)?.as_object());
        map.into_iter().flat_map(serde_json::Map::keys).map(String::as_str)
    }

    /// What a field defines: itself, or the component of `use` that it names.
    pub(super) fn definition_of(&mut self, node: &Node<'d>, kind: &str) -> Option<Node<'d>> {
        let Some(name) = node.value.as_str() else { return Some(node.clone()) };
        let Some(found) = self.reusable(kind, name) else {
            let near = suggest::nearest(name, self.reusable_names(kind));
            let near = near.map(|near| format!("did you mean `{near}`?"));
            let message = format!("there is no `{}` in `use.{kind}`", excerpt(name));
            self.advise(code::UNKNOWN_REFERENCE, &node.path, message, near);
            return None;
        };
        // It is read at each use, so each use is charged.
        self.charge(&found).then_some(found)
    }

    /// A timeout, in place or by name.
    pub(super) fn timeout(&mut self, node: Option<Node<'d>>) -> Option<Option<Duration>> {
        self.optional(node, |reader, node| {
            let definition = reader.definition_of(node, "timeouts")?;
            limit(reader, &definition)
        })
    }
}
