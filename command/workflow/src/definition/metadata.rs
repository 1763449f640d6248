//! What tasks declare in `metadata`: our own extensions of the language, which leaves that field to the author.

use openclaw_model::event::run::{EffectClass, ParentClose};

use super::{
    problem::code,
    reader::{Fields, Node, Reader},
};

impl<'d> Reader<'d> {
    /// `metadata.<name>` of a task.
    pub(super) fn metadata(&self, task: &Fields<'d>, name: &str) -> Option<Node<'d>> {
        let metadata = task.get("metadata")?;
        metadata.value.get(name).map(|value| metadata.child(name, value))
    }

    /// `metadata.effect`: how often the task's effect may happen. Only where it can be asked is it `queryable`.
    pub(super) fn effect_class(&mut self, task: &Fields<'d>, queryable: bool) -> Option<Option<EffectClass>> {
        let declared = self.metadata(task, "effect");
        self.optional(declared, |reader, node| {
            let class = reader.word(
                node,
                &[
                    ("pure", EffectClass::Pure),
                    ("idempotent", EffectClass::Idempotent),
                    ("keyed", EffectClass::Keyed),
                    ("queryable", EffectClass::Queryable),
                    ("irreversible", EffectClass::Irreversible),
                ],
            )?;
            if class == EffectClass::Queryable && !queryable {
                reader.report(
                    code::BAD_VALUE,
                    &node.path,
                    "only `call: http` can be asked what became of it",
                );
                return None;
            }
            Some(class)
        })
    }

    /// `metadata.onFault`: whether the task waits for somebody to decide when it fails.
    pub(super) fn hold(&mut self, task: &Fields<'d>) -> Option<bool> {
        let declared = self.metadata(task, "onFault");
        let hold =
            self.optional(declared, |reader, node| reader.word(node, &[("pause", true), ("fault", false)]))?;
        Some(hold.unwrap_or(false))
    }

    /// `metadata.parentClose`: what becomes of a child run that nobody waits for any more.
    pub(super) fn parent_close(&mut self, task: &Fields<'d>) -> Option<Option<ParentClose>> {
        let declared = self.metadata(task, "parentClose");
        self.optional(declared, |reader, node| {
            let words = [
                ("cancel", ParentClose::Cancel),
                ("kill", ParentClose::Kill),
                ("abandon", ParentClose::Abandon),
            ];
            reader.word(node, &words)
        })
    }
}
