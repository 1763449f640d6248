//! Which programs are cheap for certain.
//!
//! jq cannot be interrupted from within, so a program is evaluated in this process only if its text proves what it
//! costs: it neither iterates nor recurses, and every step is linear in its input. The proof is a bound on sizes: each
//! term is given the most that its result can be, as a multiple of all inputs together. Everything else goes to a
//! worker process that can be killed.
//!
//! Invariant: when in doubt, a program is not straight.

use jaq_core::{
    load::{
        lex::StrPart,
        parse::{BinaryOp, Pattern, Term},
    },
    ops::Math,
    path::{Part, Path},
};

/// The largest multiple of its inputs that a program may hold or do.
const CAP: u32 = 256;
/// How deep terms may nest: evaluation recurses with them.
const MAX_DEPTH: u32 = 64;
/// The most terms.
const MAX_TERMS: u32 = 256;

/// Bounds of one term's results, as multiples of the size of all inputs, as JSON.
#[derive(Clone, Copy)]
struct Bound {
    /// The largest result.
    size: u32,
    /// The most results.
    count: u32,
    /// The largest value that an error in it may quote.
    peak: u32,
}

/// Whether `term` is cheap for certain.
pub(super) fn is(term: &Term<&str>) -> bool {
    Analysis { terms: 0, work: 0, bound: Vec::new() }.term(term, 1, 0).is_some()
}

struct Analysis<'t> {
    terms: u32,
    work: u32,
    /// Variables bound in the program, with the size of their values.
    bound: Vec<(&'t str, u32)>,
}

impl<'t> Analysis<'t> {
    /// The bound of `term` on an input of size `input`; none if it is not cheap for certain.
    fn term(&mut self, term: &'t Term<&'t str>, input: u32, depth: u32) -> Option<Bound> {
        self.terms += 1;
        if depth > MAX_DEPTH || self.terms > MAX_TERMS {
            return None;
        }
        let deeper = depth + 1;
        let result = match term {
            Term::Id => one(input),
            Term::Num(digits) => (digits.len() <= 20).then(|| one(1))?,
            Term::Arr(None) => one(1),
            Term::Str(format, parts) => self.string(*format, parts, input, deeper)?,
            Term::Arr(Some(item)) => {
                let item = self.term(item, input, deeper)?;
                Bound { size: item.size.checked_mul(item.count)?.max(1), count: 1, peak: item.peak }
            }
            Term::Obj(entries) => self.object(entries, input, depth)?,
            Term::Neg(value) => self.term(value, input, deeper)?,
            Term::BinOp(left, operator, right) => self.operation(left, operator, right, input, deeper)?,
            Term::TryCatch(body, handler) => {
                let body = self.term(body, input, deeper)?;
                // The caught error quotes values in full.
                let error = body.peak.checked_mul(2)?;
                self.spend(error)?;
                match handler {
                    None => body,
                    Some(handler) => either(body, self.term(handler, error, deeper)?),
                }
            }
            Term::IfThenElse(cases, otherwise) => {
                let mut result = match otherwise {
                    Some(otherwise) => self.term(otherwise, input, deeper)?,
                    None => one(input),
                };
                for (condition, then) in cases {
                    let condition = self.single(condition, input, deeper)?;
                    let then = self.term(then, input, deeper)?;
                    result = either(result, Bound { peak: then.peak.max(condition.peak), ..then });
                }
                result
            }
            Term::Call(name, arguments) => self.call(name, arguments, input, deeper)?,
            Term::Var(name) => {
                one(self.bound.iter().rev().find(|(bound, _)| bound == name).map_or(1, |(_, size)| *size))
            }
            Term::Path(base, path) => self.path(base, path, input, deeper)?,
            Term::Recurse | Term::Label(..) | Term::Break(_) | Term::Fold(..) | Term::Def(..) => return None,
        };
        let result = Bound { peak: result.peak.max(result.size).max(input), ..result };
        self.spend(result.size.checked_mul(result.count)?)?;
        (result.peak <= CAP && result.count <= CAP).then_some(result)
    }

    /// A term with one result at most.
    fn single(&mut self, term: &'t Term<&'t str>, input: u32, depth: u32) -> Option<Bound> {
        self.term(term, input, depth).filter(|bound| bound.count <= 1)
    }

    fn spend(&mut self, work: u32) -> Option<()> {
        self.work = self.work.checked_add(work)?;
        (self.work <= 8 * CAP).then_some(())
    }

    fn string(
        &mut self,
        format: Option<&str>,
        parts: &'t [StrPart<&'t str, Term<&'t str>>],
        input: u32,
        depth: u32,
    ) -> Option<Bound> {
        let growth = match format {
            None | Some("@text" | "@json") => 2,
            Some("@base64") => 3,
            Some("@uri" | "@html") => 6,
            Some(_) => return None,
        };
        // Parts are added from the last to the first, one inside the other.
        let depth = depth.checked_add(u32::try_from(parts.len()).ok()?)?;
        let mut size = 1_u32;
        let mut peak = 1;
        for part in parts {
            if let StrPart::Term(term) = part {
                let part = self.single(term, input, depth)?;
                size = size.checked_add(part.size.checked_mul(growth)?)?;
                peak = peak.max(part.peak);
            }
        }
        Some(Bound { size, count: 1, peak })
    }

    fn object(
        &mut self,
        entries: &'t [(Term<&'t str>, Option<Term<&'t str>>)],
        input: u32,
        depth: u32,
    ) -> Option<Bound> {
        let depth = depth.checked_add(u32::try_from(entries.len()).ok()?)?;
        let mut size = 1_u32;
        let mut peak = 1;
        for (key, value) in entries {
            let key = self.single(key, input, depth)?;
            let value = match value {
                Some(value) => self.single(value, input, depth)?,
                None => one(input),
            };
            size = size.checked_add(key.size)?.checked_add(value.size)?;
            peak = peak.max(key.peak).max(value.peak);
        }
        Some(Bound { size, count: 1, peak })
    }

    fn operation(
        &mut self,
        left: &'t Term<&'t str>,
        operator: &'t BinaryOp<&'t str>,
        right: &'t Term<&'t str>,
        input: u32,
        depth: u32,
    ) -> Option<Bound> {
        match operator {
            BinaryOp::Pipe(pattern) => self.pipe(left, pattern.as_ref(), right, input, depth),
            BinaryOp::Comma => {
                let (left, right) = (self.term(left, input, depth)?, self.term(right, input, depth)?);
                Some(Bound { count: left.count.checked_add(right.count)?, ..either(left, right) })
            }
            BinaryOp::Alt => Some(either(self.term(left, input, depth)?, self.term(right, input, depth)?)),
            BinaryOp::Or | BinaryOp::And => {
                let (left, right) = (self.single(left, input, depth)?, self.single(right, input, depth)?);
                Some(Bound { size: 1, ..either(left, right) })
            }
            BinaryOp::Cmp(_) => {
                let (left, right) = (self.single(left, input, depth)?, self.single(right, input, depth)?);
                self.spend(left.size.checked_add(right.size)?.checked_mul(4)?)?;
                Some(Bound { size: 1, ..either(left, right) })
            }
            BinaryOp::Math(math) => {
                let (l, r) = (self.single(left, input, depth)?, self.single(right, input, depth)?);
                self.arithmetic(*math, (left, l), (right, r))
            }
            BinaryOp::Assign | BinaryOp::Update | BinaryOp::UpdateMath(Math::Add) if is_plain_path(left) => {
                let place = self.term(left, input, depth)?;
                let value = self.single(right, input, depth)?;
                let size = input.checked_add(value.size)?.checked_add(place.size)?;
                Some(Bound { size, count: 1, peak: place.peak.max(value.peak) })
            }
            BinaryOp::Assign | BinaryOp::Update | BinaryOp::UpdateMath(_) | BinaryOp::UpdateAlt => None,
        }
    }

    fn pipe(
        &mut self,
        left: &'t Term<&'t str>,
        pattern: Option<&'t Pattern<&'t str>>,
        right: &'t Term<&'t str>,
        input: u32,
        depth: u32,
    ) -> Option<Bound> {
        let from = self.term(left, input, depth)?;
        let spent = self.work;
        let to = match pattern {
            None => self.term(right, from.size, depth)?,
            Some(Pattern::Var(name)) => {
                self.bound.push((name, from.size));
                let to = self.term(right, input, depth);
                self.bound.pop();
                to?
            }
            Some(Pattern::Arr(_) | Pattern::Obj(_)) => return None,
        };
        // The right side happens once for each result of the left one.
        self.spend((self.work - spent).checked_mul(from.count.saturating_sub(1))?)?;
        Some(Bound { size: to.size, count: from.count.checked_mul(to.count)?, peak: from.peak.max(to.peak) })
    }

    fn arithmetic(
        &mut self,
        math: Math,
        (left, l): (&Term<&str>, Bound),
        (right, r): (&Term<&str>, Bound),
    ) -> Option<Bound> {
        let sum = l.size.checked_add(r.size)?;
        let with_number = number(left).or(number(right));
        let size = match math {
            Math::Add => sum,
            // Without a number both may be arrays, whose difference needs an ordered set.
            Math::Sub => {
                self.spend(if with_number.is_some() { 0 } else { sum.checked_mul(20)? })?;
                sum
            }
            // With a text on the other side, this repeats it.
            Math::Mul => sum.checked_mul(with_number?)?,
            // Without a number both may be texts, and each character may become an item.
            Math::Div if with_number.is_some() => sum,
            Math::Div => sum.checked_mul(4)?,
            Math::Rem => sum,
        };
        self.spend(size)?;
        Some(Bound { size, count: 1, peak: l.peak.max(r.peak) })
    }

    fn call(&mut self, name: &str, arguments: &'t [Term<&'t str>], input: u32, depth: u32) -> Option<Bound> {
        match (name, arguments) {
            ("true" | "false" | "null" | "not" | "type" | "length" | "utf8bytelength", []) => Some(one(1)),
            ("isboolean" | "isnumber" | "isstring" | "isarray" | "isobject", []) => {
                self.spend(input.checked_mul(4)?)?;
                Some(one(1))
            }
            ("floor" | "ceil" | "round" | "abs" | "fabs" | "sqrt", []) => Some(one(input)),
            ("first" | "last" | "error" | "trim" | "ltrim" | "rtrim", []) => Some(one(input)),
            ("ascii_downcase" | "ascii_upcase" | "reverse", []) => Some(one(input)),
            ("tostring" | "tojson" | "@text" | "@json", []) => Some(one(input.checked_mul(2)?)),
            ("@base64", []) => Some(one(input.checked_mul(3)?)),
            ("@uri" | "@html", []) => Some(one(input.checked_mul(6)?)),
            ("keys" | "keys_unsorted" | "sort", []) => {
                self.spend(input.checked_mul(20)?)?;
                Some(one(input.checked_mul(2)?))
            }
            ("empty", []) => Some(Bound { size: 1, count: 1, peak: 1 }),
            ("error", [message]) => self.single(message, input, depth),
            ("select", [condition]) => {
                let condition = self.single(condition, input, depth)?;
                Some(Bound { peak: condition.peak, ..one(input) })
            }
            ("has", [key]) if is_key(key) => {
                let key = self.single(key, input, depth)?;
                Some(Bound { peak: key.peak, ..one(1) })
            }
            ("startswith" | "endswith", [text]) => {
                let text = self.single(text, input, depth)?;
                Some(Bound { peak: text.peak, ..one(1) })
            }
            ("ltrimstr" | "rtrimstr", [text]) => {
                let text = self.single(text, input, depth)?;
                Some(Bound { peak: text.peak, ..one(input) })
            }
            ("split", [separator]) => {
                let separator = self.single(separator, input, depth)?;
                self.spend(input.checked_mul(4)?)?;
                Some(Bound { peak: separator.peak, ..one(input.checked_mul(4)?) })
            }
            _ => None,
        }
    }

    fn path(
        &mut self,
        base: &'t Term<&'t str>,
        path: &'t Path<Term<&'t str>>,
        input: u32,
        depth: u32,
    ) -> Option<Bound> {
        let base = self.term(base, input, depth)?;
        let mut peak = base.peak;
        for (part, _) in &path.0 {
            match part {
                // An array as index searches, which is quadratic; so the index must be a text or a number.
                Part::Index(index) if is_key(index) => {
                    peak = peak.max(self.single(index, input, depth)?.peak);
                }
                Part::Range(from, to) if from.is_some() || to.is_some() => {
                    for bound in from.iter().chain(to) {
                        number(bound)?;
                    }
                }
                Part::Index(_) | Part::Range(..) => return None,
            }
        }
        Some(Bound { peak, ..base })
    }
}

const fn one(size: u32) -> Bound {
    Bound { size, count: 1, peak: size }
}

fn either(left: Bound, right: Bound) -> Bound {
    Bound {
        size: left.size.max(right.size),
        count: left.count.max(right.count),
        peak: left.peak.max(right.peak),
    }
}

/// Whether the result of `term` is a text or a number, whatever the input.
fn is_key(term: &Term<&str>) -> bool {
    matches!(term, Term::Str(..)) || number(term).is_some()
}

/// The magnitude of a literal number, rounded up and at least one; none for what is no literal number or is large.
fn number(term: &Term<&str>) -> Option<u32> {
    match term {
        Term::Num(digits) if digits.len() <= 20 => {
            let value: f64 = digits.parse().ok()?;
            // Large factors matter only to `*`, whose bound then passes the cap.
            Some(value.ceil().clamp(1.0, f64::from(u16::MAX)) as u32)
        }
        Term::Neg(inner) if matches!(**inner, Term::Num(_)) => number(inner),
        _ => None,
    }
}

/// Whether `term` is `.a.b[0]`: one place, given by names and numbers.
fn is_plain_path(term: &Term<&str>) -> bool {
    match term {
        Term::Path(base, path) => {
            matches!(**base, Term::Id)
                && path.0.iter().all(|(part, _)| matches!(part, Part::Index(index) if is_key(index)))
        }
        _ => false,
    }
}
