//! What a parsed program names: functions, labels, free variables. And which class it is in.

use std::collections::BTreeSet;

use jaq_core::{
    load::{
        lex::StrPart,
        parse::{BinaryOp, Def, Pattern, Term},
    },
    path::{Part, Path},
};

use super::{
    library,
    parse::{ParseError, ParseErrorKind},
    straight,
};

/// What is known about a program once it is checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Facts {
    /// Free variables, without the dollar, in byte order.
    pub(super) variables: Vec<String>,
    /// Whether its cost is known to be small.
    pub(super) straight: bool,
}

/// Checks that everything `term` names exists, and gathers its free variables.
pub(super) fn facts(term: &Term<&str>) -> Result<Facts, ParseError> {
    let mut walk = Walk::default();
    walk.term(term)?;
    Ok(Facts { variables: walk.free.into_iter().map(str::to_owned).collect(), straight: straight::is(term) })
}

/// Names in scope at one place of the program.
#[derive(Default)]
struct Walk<'s> {
    variables: Vec<&'s str>,
    labels: Vec<&'s str>,
    functions: Vec<(&'s str, usize)>,
    free: BTreeSet<&'s str>,
}

impl<'s> Walk<'s> {
    fn term(&mut self, term: &Term<&'s str>) -> Result<(), ParseError> {
        match term {
            Term::Id | Term::Recurse | Term::Num(_) | Term::Arr(None) => Ok(()),
            Term::Str(format, parts) => {
                if let Some(format) = format {
                    self.call(format, 0)?;
                }
                parts.iter().try_for_each(|part| match part {
                    StrPart::Term(term) => self.term(term),
                    StrPart::Str(_) | StrPart::Char(_) => Ok(()),
                })
            }
            Term::Arr(Some(term)) | Term::Neg(term) => self.term(term),
            Term::Obj(entries) => entries.iter().try_for_each(|(key, value)| {
                self.term(key)?;
                value.iter().try_for_each(|value| self.term(value))
            }),
            Term::BinOp(left, operator, right) => self.operation(left, operator, right),
            Term::Label(name, body) => {
                self.labels.push(name);
                let result = self.term(body);
                self.labels.pop();
                result
            }
            Term::Break(name) if self.labels.contains(name) => Ok(()),
            Term::Break(name) => Err(missing(format!("there is no label {name} here"))),
            Term::Fold(name, source, pattern, arguments) => self.fold(name, source, pattern, arguments),
            Term::TryCatch(body, handler) => {
                self.term(body)?;
                handler.iter().try_for_each(|handler| self.term(handler))
            }
            Term::IfThenElse(cases, otherwise) => {
                for (condition, then) in cases {
                    self.term(condition)?;
                    self.term(then)?;
                }
                otherwise.iter().try_for_each(|term| self.term(term))
            }
            Term::Def(definitions, body) => self.definitions(definitions, body),
            Term::Call(name, arguments) => {
                self.call(name, arguments.len())?;
                arguments.iter().try_for_each(|argument| self.term(argument))
            }
            Term::Var(name) => {
                self.variable(name);
                Ok(())
            }
            Term::Path(base, path) => {
                self.term(base)?;
                self.path(path)
            }
        }
    }

    fn operation(
        &mut self,
        left: &Term<&'s str>,
        operator: &BinaryOp<&'s str>,
        right: &Term<&'s str>,
    ) -> Result<(), ParseError> {
        self.term(left)?;
        match operator {
            BinaryOp::Pipe(Some(pattern)) => self.binding(pattern, |walk| walk.term(right)),
            _ => self.term(right),
        }
    }

    fn fold(
        &mut self,
        name: &str,
        source: &Term<&'s str>,
        pattern: &Pattern<&'s str>,
        arguments: &[Term<&'s str>],
    ) -> Result<(), ParseError> {
        let fits = if name == "reduce" { arguments.len() == 2 } else { matches!(arguments.len(), 2 | 3) };
        if !fits {
            let message = format!("`{name}` cannot have {} arguments", arguments.len());
            return Err(ParseError::syntax(message, None));
        }
        self.term(source)?;
        self.term(&arguments[0])?;
        self.binding(pattern, |walk| arguments[1..].iter().try_for_each(|argument| walk.term(argument)))
    }

    /// Runs `body` with the variables of `pattern` in scope.
    fn binding(
        &mut self,
        pattern: &Pattern<&'s str>,
        body: impl FnOnce(&mut Self) -> Result<(), ParseError>,
    ) -> Result<(), ParseError> {
        let outer = self.variables.len();
        self.pattern(pattern)?;
        let result = body(self);
        self.variables.truncate(outer);
        result
    }

    fn pattern(&mut self, pattern: &Pattern<&'s str>) -> Result<(), ParseError> {
        match pattern {
            Pattern::Var(name) => self.variables.push(name),
            Pattern::Arr(items) => items.iter().try_for_each(|item| self.pattern(item))?,
            Pattern::Obj(entries) => {
                for (key, value) in entries {
                    self.term(key)?;
                    self.pattern(value)?;
                }
            }
        }
        Ok(())
    }

    fn definitions(
        &mut self,
        definitions: &[Def<&'s str, Term<&'s str>>],
        body: &Term<&'s str>,
    ) -> Result<(), ParseError> {
        let outer = self.functions.len();
        for definition in definitions {
            self.functions.push((definition.name, definition.args.len()));
            let (functions, variables) = (self.functions.len(), self.variables.len());
            for argument in &definition.args {
                if argument.starts_with('$') {
                    self.variables.push(argument);
                } else {
                    self.functions.push((argument, 0));
                }
            }
            self.term(&definition.body)?;
            self.functions.truncate(functions);
            self.variables.truncate(variables);
        }
        let result = self.term(body);
        self.functions.truncate(outer);
        result
    }

    fn path(&mut self, path: &Path<Term<&'s str>>) -> Result<(), ParseError> {
        path.0.iter().try_for_each(|(part, _)| match part {
            Part::Index(index) => self.term(index),
            Part::Range(from, to) => from.iter().chain(to).try_for_each(|bound| self.term(bound)),
        })
    }

    fn variable(&mut self, name: &'s str) {
        if !self.variables.contains(&name) {
            self.free.insert(name.strip_prefix('$').unwrap_or(name));
        }
    }

    fn call(&self, name: &str, arity: usize) -> Result<(), ParseError> {
        if self.functions.contains(&(name, arity)) || library::has(name, arity) {
            return Ok(());
        }
        if let Some(reason) = library::refusal(name) {
            return Err(missing(format!("the function `{name}` is not allowed: {reason}")));
        }
        let message = format!("there is no function `{name}` with {arity} arguments");
        Err(ParseError { missing: Some(name.to_owned()), ..missing(message) })
    }
}

fn missing(message: String) -> ParseError {
    ParseError { kind: ParseErrorKind::Function, ..ParseError::syntax(message, None) }
}
