//! Who waits for whom: child runs and decisions of people, and what becomes of them when nobody waits any more.

use openclaw_model::{RunId, StreamId, TaskId, Timestamp, event::ApprovalEvent};

use super::{
    OpenRuns, Owed, Wake,
    run::{Awaited, Own},
};

impl OpenRuns {
    pub(super) fn ended(&mut self, run: RunId, at: Timestamp) {
        self.known.owed.remove(&Owed::Close { run, kill: false });
        self.known.owed.remove(&Owed::Close { run, kill: true });
        self.derived.references.remove(&run);
        let Some(open) = self.known.runs.remove(&run) else { return };
        self.underive(run, &open);
        if let Some(more) = &open.more {
            for (task, own) in more.own.iter() {
                self.give_up(*task, own);
            }
            if let Some(scheduled) =
                more.schedule.as_ref().and_then(|name| self.known.schedules.get_mut(name))
            {
                scheduled.ended(run, at);
                self.wakes.push(Wake::Schedule(more.schedule.clone().unwrap_or_default()));
            }
        }
        for child in self.derived.children.get(&run).cloned().unwrap_or_default() {
            let parent = self.run(child).and_then(|open| open.more.as_ref()).and_then(|more| more.parent);
            let shared = self.derived.awaited.contains_key(&Awaited::Run(child));
            if let Some(owed) = parent.filter(|_| !shared).and_then(|parent| Owed::close(child, parent.close))
            {
                self.owe(owed);
            }
        }
        self.tell(Awaited::Run(run));
    }

    pub(super) fn depend(&mut self, run: RunId, task: TaskId, own: Own) {
        let Some(open) = self.known.runs.get_mut(&run) else { return };
        open.more_mut().own.insert(task, own);
        if let Some(awaited) = own.awaits() {
            self.derived.awaited.entry(awaited).or_default().insert((run, task));
        }
    }

    /// A task has ended; `early` says that what it set going may still go on.
    pub(super) fn task_gone(&mut self, run: RunId, task: TaskId, early: bool) {
        let Some(more) = self.known.runs.get_mut(&run).and_then(|open| open.more.as_deref_mut()) else {
            return;
        };
        let listening = more.listening.remove(&task);
        let own = more.own.remove(&task);
        more.permitted.remove(&task);
        if let Some(listening) = listening {
            self.derived.listeners.remove((run, task), &listening.interests);
        }
        if let Some(own) = own {
            self.forget_awaited(run, task, &own);
            if early {
                self.give_up(task, &own);
            }
        }
    }

    /// Owes an end to what `own` set going, if it goes on and nobody else waits for it.
    pub(super) fn give_up(&mut self, task: TaskId, own: &Own) {
        if own.awaits().is_some_and(|awaited| self.derived.awaited.contains_key(&awaited)) {
            return;
        }
        let owed = match *own {
            Own::Child { run, close, .. } => {
                let Some(open) = self.run(run) else { return };
                let asked = open.more.as_ref().is_some_and(|more| more.cancelled);
                Owed::close(run, close)
                    .filter(|owed| !asked || matches!(owed, Owed::Close { kill: true, .. }))
            }
            Own::Approval { approval } => {
                self.known.approvals.contains_key(&approval).then_some(Owed::Void { approval, task })
            }
        };
        if let Some(owed) = owed {
            self.owe(owed);
        }
    }

    pub(super) fn approval_event(&mut self, stream: &StreamId, event: &ApprovalEvent) {
        let Some(approval) = stream.as_approval() else { return };
        let mut due = None;
        match event {
            ApprovalEvent::Requested(data) => {
                due = data.request.deadline.as_ref().map(|deadline| deadline.due);
                self.known.approvals.insert(approval, due);
                // Asked anew for another task, it is that one's.
                self.known.owed.retain(|owed| !owed.voids(approval));
                let waiting = self.derived.awaited.get(&Awaited::Approval(approval));
                if waiting.is_none_or(|waiting| waiting.is_empty()) {
                    self.owe(Owed::Void { approval, task: data.task.task });
                }
            }
            ApprovalEvent::Escalated(data) => {
                due = Some(data.due);
                self.known.approvals.insert(approval, due);
            }
            ApprovalEvent::Resolved(_) | ApprovalEvent::Voided(_) => {
                self.known.approvals.remove(&approval);
                self.known.owed.retain(|owed| !owed.voids(approval));
                self.tell(Awaited::Approval(approval));
            }
            ApprovalEvent::Voted(_) => {}
        }
        if let Some(due) = due {
            self.wakes.push(Wake::Approval(approval, due));
        }
    }

    /// Wakes those who wait for what has ended.
    pub(super) fn tell(&mut self, awaited: Awaited) {
        for (run, task) in self.derived.awaited.get(&awaited).cloned().unwrap_or_default() {
            self.wake(run, Wake::Ended(run, task));
        }
    }

    pub(super) fn wake(&mut self, run: RunId, wake: Wake) {
        if let Some(open) = self.known.runs.get_mut(&run) {
            open.parked = None;
            self.wakes.push(wake);
        }
    }

    pub(super) fn owe(&mut self, owed: Owed) {
        if self.known.owed.insert(owed.clone()) {
            self.wakes.push(Wake::Owe(owed));
        }
    }
}
