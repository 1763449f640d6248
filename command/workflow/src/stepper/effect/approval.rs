//! `call: approval`.

use openclaw_model::{
    ApprovalId, Digest, canonical,
    event::{
        approval::{ApprovalRequest, Choice, Deadline, DeadlineOutcome, Deciders},
        run::WorkflowError,
    },
};
use serde_json::{Value, json};

use super::super::{Step, data::Place, start::as_text};
use crate::definition::{ApprovalCall, DeadlineTemplate, OutcomeTemplate};

impl Step<'_> {
    /// The decision that is asked for. Its id is made of the effect's `key`, so that asking twice asks once; its digest
    /// is over all that is decided about, so that a decision about something else does not count.
    pub(super) fn approval(
        &self,
        call: &ApprovalCall,
        key: &blake3::Hash,
        input: &Value,
        place: Place<'_>,
    ) -> Result<ApprovalRequest, WorkflowError> {
        let optional = |template: &Option<_>| {
            let rendered = template.as_ref().map(|template| self.render(template, input, place));
            rendered.transpose().map(Option::unwrap_or_default)
        };
        let title = as_text(&self.render(&call.title, input, place)?);
        let details = optional(&call.details)?;
        let subject = optional(&call.subject)?;
        let choices: Vec<Choice> = call
            .choices
            .iter()
            .map(|choice| Choice {
                name: choice.name.clone(),
                title: choice.title.clone(),
                schema: choice.schema.clone(),
            })
            .collect();
        let subject_matter =
            json!({ "title": title, "details": details, "subject": subject, "choices": choices });
        let digest = Digest(*blake3::hash(&canonical::to_bytes(&subject_matter)).as_bytes());
        let mut approval = [0; 16];
        approval.copy_from_slice(&key.as_bytes()[..16]);
        Ok(ApprovalRequest {
            approval: ApprovalId(approval),
            title,
            details,
            subject,
            digest,
            choices,
            deciders: Deciders {
                assignees: self.list(call.assignees.as_ref(), "assignees", input, place)?,
                roles: self.list(call.roles.as_ref(), "roles", input, place)?,
            },
            quorum: call.quorum,
            deadline: call
                .deadline
                .as_ref()
                .map(|deadline| self.deadline(deadline, input, place))
                .transpose()?,
        })
    }

    fn deadline(
        &self,
        deadline: &DeadlineTemplate,
        input: &Value,
        place: Place<'_>,
    ) -> Result<Deadline, WorkflowError> {
        let after_ms = self.millis(&deadline.after, input, place)?;
        let outcome = match &deadline.outcome {
            OutcomeTemplate::Deny => DeadlineOutcome::Deny,
            OutcomeTemplate::Default { choice, answer } => {
                let answer = answer.as_ref().map(|answer| self.render(answer, input, place)).transpose()?;
                DeadlineOutcome::Default { choice: choice.clone(), answer: answer.unwrap_or_default() }
            }
            OutcomeTemplate::Escalate { to, after } => {
                let after = after.as_ref().map(|after| self.millis(after, input, place)).transpose()?;
                DeadlineOutcome::Escalate { to: to.clone(), after_ms: after.unwrap_or(after_ms) }
            }
        };
        Ok(Deadline { due: self.around.now.plus_millis(after_ms), outcome })
    }
}
