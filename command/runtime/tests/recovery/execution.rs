//! One execution of a workflow, by as many processes as it takes.

use std::{collections::BTreeMap, time::Duration};

use openclaw_core::run::End;
use proptest::prelude::*;

use crate::{
    port::{Done, Side},
    trace::Trace,
    workflow::{Node, documents},
    world::{Outside, World},
};

/// What happens to a process, counted from what happened to it before.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Interruption {
    /// It dies when that many events were appended.
    Append(u8),
    /// It dies before the effect with that number happens.
    BeforeEffect(u8),
    /// It dies between that effect and its recorded outcome.
    AfterEffect(u8),
    /// It is stopped in good order when that many events were appended.
    Stop(u8),
    /// It goes on, but somebody cancels the run when that many events were appended.
    Cancel(u8),
}

/// A few ends of processes.
pub(crate) fn interruptions() -> impl Strategy<Value = Vec<Interruption>> {
    let one = prop_oneof![
        (1..20_u8).prop_map(Interruption::Append),
        (0..5_u8).prop_map(Interruption::BeforeEffect),
        (0..5_u8).prop_map(Interruption::AfterEffect),
        (1..20_u8).prop_map(Interruption::Stop),
    ];
    prop::collection::vec(one, 1..6)
}

/// What came of an execution.
pub(crate) struct Came {
    /// How the run ended; not at all if somebody has to decide about an effect.
    pub(crate) end: Option<End>,
    pub(crate) trace: Trace,
    /// How often the world was asked for each effect, by key.
    pub(crate) requests: BTreeMap<String, u32>,
    /// What effects did, by key.
    pub(crate) done: BTreeMap<String, Done>,
    /// Keys that were used for two things.
    pub(crate) conflicts: Vec<String>,
    /// Interruptions that came before the end.
    pub(crate) interrupted: u32,
}

impl Came {
    /// What effects did, whatever their keys.
    pub(crate) fn deeds(&self) -> Vec<(&str, u64)> {
        let mut deeds: Vec<_> = self.done.values().map(|done| (done.url.as_str(), done.n)).collect();
        deeds.sort_unstable();
        deeds
    }
}

/// Executes a workflow on the input `n`.
pub(crate) async fn execute(nodes: &[Node], n: u64, interruptions: &[Interruption]) -> Came {
    let documents = documents(nodes);
    let mut world = World::start(Outside::new()).await;
    let port = world.port();
    let run = world.begin(&documents, n).await;
    let mut left = interruptions.iter().copied();
    let mut interrupted = 0;
    let end = loop {
        let interruption = left.next();
        tokio::select! {
            // In this order, or what is due at the same moment would be decided by chance.
            biased;
            () = comes(&world, interruption) => interrupted += 1,
            end = world.end(run) => break end,
        }
        let outside = match interruption {
            Some(Interruption::Cancel(_)) => {
                world.cancel(run).await;
                continue;
            }
            Some(Interruption::Stop(_)) => world.stop().await,
            _ => world.crash().await,
        };
        world = World::start(outside).await;
    };
    // Children that a cancelled run leaves need a moment; those that are suspended stay.
    tokio::time::sleep(Duration::from_secs(60)).await;
    let outside = world.crash().await;
    Came {
        end,
        trace: Trace::of(&outside.log).await,
        requests: port.requests(),
        done: port.done(),
        conflicts: port.conflicts(),
        interrupted,
    }
}

/// Returns when it is time for `interruption`.
async fn comes(world: &World, interruption: Option<Interruption>) {
    let port = world.port();
    match interruption {
        Some(Interruption::Append(events) | Interruption::Stop(events) | Interruption::Cancel(events)) => {
            world.appended(u64::from(events)).await;
        }
        Some(Interruption::BeforeEffect(effect)) => {
            port.arm(Side::Before, u32::from(effect));
            port.struck().await;
        }
        Some(Interruption::AfterEffect(effect)) => {
            port.arm(Side::After, u32::from(effect));
            port.struck().await;
        }
        None => std::future::pending().await,
    }
}
