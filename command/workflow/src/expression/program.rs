//! Compiled programs, and running them without any guard.

use std::panic::{AssertUnwindSafe, catch_unwind};

use jaq_core::{
    Compiler, Ctx, Filter, Vars,
    load::{Arena, File, Loader},
    unwrap_valr,
};
use jaq_json::Val;
use serde_json::Value;

use super::{
    convert,
    error::{EvaluationError, Failure},
    library::{self, Data},
};

/// A compiled program.
pub(super) struct Program {
    filter: Filter<Data>,
}

impl Program {
    /// Compiles `program`, which may use `variables` (without the dollar).
    ///
    /// Compiling recurses with the program; callers bound it ([`super::straight`]) or are expendable
    /// ([`super::worker`]).
    pub(super) fn compile(program: &str, variables: &[String]) -> Result<Self, EvaluationError> {
        let names: Vec<String> = variables.iter().map(|name| format!("${name}")).collect();
        let arena = Arena::default();
        let modules = Loader::new(library::definitions())
            .load(&arena, File { code: program, path: () })
            .map_err(|_| EvaluationError::new(Failure::Jq, "the program does not parse"))?;
        let filter = Compiler::default()
            .with_funs(library::natives())
            .with_global_vars(names.iter().map(String::as_str))
            .compile(modules)
            .map_err(|errors| {
                let name =
                    errors.first().and_then(|(_, errors)| errors.first()).map_or("", |(name, _)| *name);
                EvaluationError::new(Failure::Jq, format!("`{name}` is not defined"))
            })?;
        Ok(Self { filter })
    }

    /// The first result on `input`, with the values of the variables in the order given to
    /// [`compile`](Self::compile); `null` if there is none.
    ///
    /// Nothing bounds the time: callers know that the program is cheap, or can be killed.
    pub(super) fn run(&self, input: Val, variables: Vec<Val>) -> Result<Value, EvaluationError> {
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            let context = Ctx::<Data>::new(&self.filter.lut, Vars::new(variables));
            match self.filter.id.run((context, input)).map(unwrap_valr).next() {
                None => Ok(Value::Null),
                Some(Ok(value)) => convert::to_json(&value),
                Some(Err(error)) => Err(EvaluationError::new(Failure::Jq, convert::message(&error))),
            }
        }));
        outcome.unwrap_or_else(|_| Err(EvaluationError::new(Failure::Jq, "jq gave up on it")))
    }
}
