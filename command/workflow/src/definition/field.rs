//! Fields that occur everywhere: expressions, templates, durations, transformations, flow directives.

use openclaw_model::event::run::Flow;
use serde_json::Value;

use super::{
    model::{Duration, Transform},
    problem::code,
    reader::{Node, Reader},
    schema,
    secret::mentioned,
};
use crate::{
    duration,
    expression::{Expression, ParseError, ParseErrorKind, Template},
    suggest,
};

/// Variables that the specification defines (dsl, "Runtime expression arguments").
const VARIABLES: [&str; 8] =
    ["authorization", "context", "input", "output", "runtime", "secrets", "task", "workflow"];

impl<'d> Reader<'d> {
    /// A field that is an expression by its nature.
    pub(super) fn expression(&mut self, node: &Node<'d>) -> Option<Expression> {
        let text = self.text(node)?;
        if self.is_full() {
            return None;
        }
        match Expression::parse_field(text) {
            Ok(expression) => self.admit(expression, &node.path),
            Err(error) => {
                self.parse_error(&node.path, &error);
                None
            }
        }
    }

    /// A value in which texts may be expressions.
    pub(super) fn template(&mut self, node: &Node<'d>) -> Option<Template> {
        match node.value {
            Value::String(text) => self.text_template(text, &node.path),
            Value::Array(_) => {
                let items = node.items()?;
                let items: Vec<_> = items.iter().map(|item| self.template(item)).collect();
                let items = items.into_iter().collect::<Option<Vec<_>>>()?;
                Some(literal_array(items))
            }
            Value::Object(map) => {
                let entries: Vec<_> = map
                    .iter()
                    .map(|(key, item)| Some((key.clone(), self.template(&node.child(key, item))?)))
                    .collect();
                let entries = entries.into_iter().collect::<Option<Vec<_>>>()?;
                Some(literal_object(entries))
            }
            scalar => Some(Template::Literal(scalar.clone())),
        }
    }

    fn text_template(&mut self, text: &str, path: &str) -> Option<Template> {
        if self.is_full() {
            return None;
        }
        let template = match Template::parse(text, self.loose) {
            Ok(template) => template,
            Err(error) => {
                self.parse_error(path, &error);
                return None;
            }
        };
        if let Template::Loose(expression) = &template
            && !expression.variables.iter().all(|name| self.knows(name))
        {
            return Some(Template::Literal(Value::String(text.to_owned())));
        }
        self.admit_template(template, path)
    }

    /// A text in another language: an expression only as a whole.
    pub(super) fn whole_template(&mut self, node: &Node<'d>) -> Option<Template> {
        let text = self.text(node)?;
        match Template::parse_whole(text) {
            Ok(template) => self.admit_template(template, &node.path),
            Err(error) => {
                self.parse_error(&node.path, &error);
                None
            }
        }
    }

    /// A template that has to be a text, a number or a boolean: anything that is written into a text.
    pub(super) fn scalar_template(&mut self, node: &Node<'d>) -> Option<Template> {
        if matches!(node.value, Value::Object(_) | Value::Array(_) | Value::Null) {
            self.wrong_type(node, "a text");
            return None;
        }
        self.template(node)
    }

    /// An object of such, or an expression that gives one.
    pub(super) fn texts_template(&mut self, node: &Node<'d>) -> Option<Template> {
        match node.value {
            Value::String(_) => self.expression(node).map(Template::Expression),
            Value::Object(map) => {
                let mut good = true;
                for (key, item) in map {
                    if matches!(item, Value::Object(_) | Value::Array(_)) {
                        self.wrong_type(&node.child(key, item), "a text");
                        good = false;
                    }
                }
                if good { self.template(node) } else { None }
            }
            _ => {
                self.wrong_type(node, "an object or an expression");
                None
            }
        }
    }

    fn admit_template(&mut self, template: Template, path: &str) -> Option<Template> {
        let mut expressions = Vec::new();
        template.expressions(&mut expressions);
        let expressions: Vec<Expression> = expressions.into_iter().cloned().collect();
        let known: Vec<_> = expressions.into_iter().map(|expression| self.admit(expression, path)).collect();
        known.iter().all(Option::is_some).then_some(template)
    }

    /// Checks the variables of an expression.
    fn admit(&mut self, expression: Expression, path: &str) -> Option<Expression> {
        let mut good = true;
        for name in expression.variables.iter() {
            if name == "secrets" && !self.variables.contains(name) {
                for secret in mentioned(&expression.text) {
                    good &= self.secret(secret, path).is_some();
                }
            } else if !self.knows(name) {
                let known = VARIABLES.iter().copied().chain(self.variables.iter().map(String::as_str));
                let near = suggest::nearest(name, known).map(|near| format!("did you mean `${near}`?"));
                self.advise(code::VARIABLE, path, format!("there is no variable `${name}` here"), near);
                good = false;
            }
        }
        good.then_some(expression)
    }

    fn knows(&self, name: &str) -> bool {
        VARIABLES.contains(&name) || self.variables.iter().any(|variable| variable == name)
    }

    pub(crate) fn parse_error(&mut self, path: &str, error: &ParseError) {
        let code = match error.kind {
            ParseErrorKind::Syntax => code::EXPRESSION,
            ParseErrorKind::Function => code::FUNCTION,
        };
        let at =
            error.offset.map_or_else(String::new, |offset| format!(" at byte {offset} of the expression"));
        self.advise(code, path, format!("{error}{at}"), error.suggestion());
    }

    /// The name of a variable that a task brings into scope.
    pub(super) fn variable_name(&mut self, node: Option<Node<'d>>, default: &str) -> Option<String> {
        let Some(node) = node else { return Some(default.to_owned()) };
        let name = self.text(&node)?;
        let mut characters = name.chars();
        let starts = characters.next().is_some_and(|first| first.is_ascii_alphabetic() || first == '_');
        if starts && name.len() <= 64 && characters.all(|c| c.is_ascii_alphanumeric() || c == '_') {
            return Some(name.to_owned());
        }
        let message = "a variable has letters, digits and underscores, and does not start with a digit";
        self.report(code::BAD_VALUE, &node.path, message);
        None
    }

    /// A duration: ISO 8601, an object of units, or an expression.
    pub(super) fn duration(&mut self, node: &Node<'d>) -> Option<Duration> {
        match node.value {
            Value::String(text) if text.contains("${") => self.template(node).map(Duration::Computed),
            Value::Object(map) => {
                let units = ["days", "hours", "minutes", "seconds", "milliseconds"];
                self.object(node, &units)?;
                if map.keys().any(|unit| !units.contains(&unit.as_str())) {
                    return None;
                }
                if map.is_empty() {
                    self.report(code::MISSING_FIELD, &node.path, format!("give one of {}", units.join(", ")));
                    return None;
                }
                if map.values().any(|amount| matches!(amount, Value::String(text) if text.contains("${"))) {
                    return self.template(node).map(Duration::Computed);
                }
                self.fixed_duration(node)
            }
            Value::String(_) => self.fixed_duration(node),
            _ => {
                self.wrong_type(node, "a duration: an ISO 8601 text or an object");
                None
            }
        }
    }

    fn fixed_duration(&mut self, node: &Node<'d>) -> Option<Duration> {
        match duration::millis_of(node.value) {
            Ok(millis) => Some(Duration::Millis(millis)),
            Err(message) => {
                self.report(code::BAD_VALUE, &node.path, message);
                None
            }
        }
    }

    /// `input`, `output` or `export`: a schema, and a transformation under `name`.
    pub(super) fn transform(&mut self, node: Option<Node<'d>>, name: &str) -> Option<Transform> {
        let Some(node) = node else { return Some(Transform::default()) };
        let fields = self.object(&node, &["schema", name])?;
        let schema = self.optional(fields.get("schema"), |reader, node| schema::read(reader, node));
        let template = self.optional(fields.get(name), |reader, node| match node.value {
            Value::String(_) => reader.expression(node).map(Template::Expression),
            Value::Object(_) => reader.template(node),
            _ => {
                reader.wrong_type(node, "an expression or an object");
                None
            }
        });
        Some(Transform { schema: schema?, template: template? })
    }

    /// Reads a field that may be absent: the outer option says whether all is well, the inner whether it is there.
    pub(super) fn optional<T>(
        &mut self,
        node: Option<Node<'d>>,
        read: impl FnOnce(&mut Self, &Node<'d>) -> Option<T>,
    ) -> Option<Option<T>> {
        match node {
            None => Some(None),
            Some(node) => read(self, &node).map(Some),
        }
    }

    /// A flow directive; its target has to be one of `names`, which are in order.
    pub(super) fn flow(&mut self, node: &Node<'d>, names: &[&str]) -> Option<Flow> {
        match self.text(node)? {
            "continue" => Some(Flow::Continue),
            "exit" => Some(Flow::Exit),
            "end" => Some(Flow::End),
            name if names.binary_search(&name).is_ok() => Some(Flow::Goto(name.to_owned())),
            // Advice costs a look at the whole document.
            _ if self.is_full() => None,
            name => {
                let words = ["continue", "exit", "end"];
                let near = suggest::nearest(name, names.iter().copied().chain(words));
                let suggestion = match near {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => super::check::flow_advice(self.root, name, names),
                };
                let message = format!("there is no task `{}` in this scope", super::reader::excerpt(name));
                self.advise(code::NO_TARGET, &node.path, message, Some(suggestion));
                None
            }
        }
    }
}

/// An array of templates, folded into a literal when nothing in it is computed.
fn literal_array(items: Vec<Template>) -> Template {
    match items.iter().map(literal).collect::<Option<_>>() {
        Some(literals) => Template::Literal(Value::Array(literals)),
        None => Template::Array(items),
    }
}

/// The same for an object.
fn literal_object(entries: Vec<(String, Template)>) -> Template {
    match entries.iter().map(|(key, item)| Some((key.clone(), literal(item)?))).collect::<Option<_>>() {
        Some(literals) => Template::Literal(Value::Object(literals)),
        None => Template::Object(entries),
    }
}

fn literal(template: &Template) -> Option<Value> {
    match template {
        Template::Literal(value) => Some(value.clone()),
        _ => None,
    }
}
