//! Where two runs of one workflow part: a fork and its origin, or any two.
//!
//! Tasks are paired by their path and by how often it came up before, so retries and loops meet their like.

use std::collections::{BTreeSet, HashMap};

use async_graphql::{ComplexObject, Enum, ID, Result, SimpleObject};
use serde_json::Value;
use sqlx::{QueryBuilder, Sqlite};

use super::{
    rows,
    run::{self, Run},
    task::{self, Task},
};
use crate::{
    access::Reader,
    cursor::{PageArgs, SortOrder},
    fault::{self, Code},
    scalar::{Json, Long},
};

/// Most tasks of a run that is compared.
const MAX_TASKS: i64 = 5_000;
/// Most bytes of their data.
const MAX_BYTES: i64 = 16 << 20;

/// In what two tasks differ.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[graphql(rename_items = "lowercase")]
pub(crate) enum Difference {
    /// Only one run has the task, or each has another one there.
    Task,
    /// Transformed input.
    Input,
    /// Transformed output.
    Output,
    /// The error it ended with.
    Error,
    /// How it stands.
    Status,
}

/// A place where two runs differ.
#[derive(Clone, Debug, SimpleObject)]
pub(crate) struct Divergence {
    /// Where: the path of the task.
    pub(crate) path: String,
    /// In what.
    pub(crate) difference: Difference,
    /// The task of the first run; null if it has none there.
    pub(crate) a: Option<Task>,
    /// The task of the second run; null if it has none there.
    pub(crate) b: Option<Task>,
}

/// Two runs compared.
#[derive(Clone, Debug, SimpleObject)]
#[graphql(complex)]
pub(crate) struct RunDiff {
    /// The first run.
    pub(crate) a: Run,
    /// The second run.
    pub(crate) b: Run,
    /// Whether both execute the same definition.
    pub(crate) same_definition: bool,
    /// Whether input, tasks and outcome are the same.
    pub(crate) identical: bool,
    /// Whether their raw inputs differ.
    pub(crate) input_changed: bool,
    /// Whether their outputs or errors differ.
    pub(crate) output_changed: bool,
    /// How many tasks both have.
    pub(crate) common_tasks: Long,
    /// Where they part: the first task, in the order in which they were started, that differs. Of a task that
    /// contains others, these count.
    pub(crate) first_divergence: Option<Divergence>,
    /// How many tasks that both have end differently.
    pub(crate) changed_count: Long,
    /// How many tasks only the first run has.
    pub(crate) only_in_a_count: Long,
    /// How many tasks only the second run has.
    pub(crate) only_in_b_count: Long,
    #[graphql(skip)]
    changed: Vec<Divergence>,
    #[graphql(skip)]
    only_in_a: Vec<Task>,
    #[graphql(skip)]
    only_in_b: Vec<Task>,
}

#[ComplexObject]
impl RunDiff {
    /// The first tasks that both have and that end differently, by their path.
    async fn changed(&self, first: Option<i32>) -> Result<Vec<Divergence>> {
        Ok(head(&self.changed, first)?.to_vec())
    }

    /// The first tasks that only the first run has.
    #[graphql(name = "onlyInA")]
    async fn only_in_a(&self, first: Option<i32>) -> Result<Vec<Task>> {
        Ok(head(&self.only_in_a, first)?.to_vec())
    }

    /// The first tasks that only the second run has.
    #[graphql(name = "onlyInB")]
    async fn only_in_b(&self, first: Option<i32>) -> Result<Vec<Task>> {
        Ok(head(&self.only_in_b, first)?.to_vec())
    }
}

fn head<T>(all: &[T], first: Option<i32>) -> Result<&[T]> {
    let size = PageArgs { first, ..PageArgs::default() }.page('t', SortOrder::Asc)?.limit() as usize;
    Ok(&all[..size.min(all.len())])
}

/// Compares two runs.
///
/// # Errors
/// `NOT_FOUND` and `RUN_TOO_LARGE`, each naming the run.
pub(crate) async fn compare(reader: &mut Reader, a: &ID, b: &ID) -> Result<RunDiff> {
    let (a, b) = (found(reader, a).await?, found(reader, b).await?);
    let (tasks_a, tasks_b) = (tasks(reader, &a).await?, tasks(reader, &b).await?);
    let pairs = Pairs::new(&tasks_a, &tasks_b);
    let input_changed = !same(Some(&a.input), Some(&b.input));
    let output_changed = !same(a.output.as_ref(), b.output.as_ref()) || a.error != b.error;
    let changed = pairs.ends(&tasks_a, &tasks_b);
    let first_divergence = pairs.first(&tasks_a, &tasks_b);
    let alone =
        |tasks: &[Task], indexes: &[usize]| indexes.iter().map(|index| tasks[*index].clone()).collect();
    Ok(RunDiff {
        same_definition: a.workflow.digest == b.workflow.digest,
        identical: !input_changed && !output_changed && a.status == b.status && first_divergence.is_none(),
        input_changed,
        output_changed,
        common_tasks: Long(pairs.both.len() as u64),
        first_divergence,
        changed_count: Long(changed.len() as u64),
        changed,
        only_in_a_count: Long(pairs.only_a.len() as u64),
        only_in_b_count: Long(pairs.only_b.len() as u64),
        only_in_a: alone(&tasks_a, &pairs.only_a),
        only_in_b: alone(&tasks_b, &pairs.only_b),
        a,
        b,
    })
}

async fn found(reader: &mut Reader, id: &ID) -> Result<Run> {
    let found = run::one(reader, id).await?;
    found.ok_or_else(|| Code::NotFound.error(format!("there is no run {}", id.as_str())))
}

async fn tasks(reader: &mut Reader, run: &Run) -> Result<Vec<Task>> {
    let key = i64::try_from(run.key).unwrap_or(i64::MAX);
    let sql = "SELECT count(*), coalesce(sum(coalesce(length(input), 0) + coalesce(length(output), 0)), 0) \
               FROM tasks WHERE run = ?1";
    let (count, bytes): (i64, i64) =
        sqlx::query_as(sql).bind(key).fetch_one(&mut **reader).await.map_err(fault::database)?;
    if count > MAX_TASKS || bytes > MAX_BYTES {
        return Err(Code::RunTooLarge.error(format!(
            "run {} has {count} tasks with {bytes} bytes of data, at most {MAX_TASKS} and {MAX_BYTES} are compared",
            run.id.as_str()
        )));
    }
    let mut sql = QueryBuilder::<Sqlite>::new(task::SELECT);
    sql.push(" AND t.run = ").push_bind(key).push(" ORDER BY t.task");
    rows(reader, &mut sql).await?.iter().map(|row| task::task(row, None)).collect()
}

/// Indexes of tasks that belong together, and of those that stand alone.
struct Pairs {
    both: Vec<(usize, usize)>,
    only_a: Vec<usize>,
    only_b: Vec<usize>,
}

impl Pairs {
    fn new(a: &[Task], b: &[Task]) -> Self {
        let mut places: HashMap<(&str, usize), usize> = HashMap::with_capacity(b.len());
        for (index, place) in numbered(b).into_iter().enumerate() {
            places.insert(place, index);
        }
        let (mut both, mut only_a) = (Vec::new(), Vec::new());
        for (index, place) in numbered(a).into_iter().enumerate() {
            match places.remove(&place) {
                Some(other) => both.push((index, other)),
                None => only_a.push(index),
            }
        }
        let mut only_b: Vec<usize> = places.into_values().collect();
        only_b.sort_unstable();
        Self { both, only_a, only_b }
    }

    /// The pairs that end differently, in order.
    fn ends(&self, a: &[Task], b: &[Task]) -> Vec<Divergence> {
        let changed = self.both.iter().filter_map(|(i, j)| {
            let (a, b) = (&a[*i], &b[*j]);
            let difference = end(a, b)?;
            Some(divergence(difference, Some(a), Some(b)))
        });
        changed.collect()
    }

    fn first(&self, a: &[Task], b: &[Task]) -> Option<Divergence> {
        // Tasks with something different inside say nothing new by ending differently.
        let mut above: BTreeSet<i32> = BTreeSet::new();
        let parents = parents(a);
        let mut differing: Vec<(usize, usize, Difference)> = Vec::new();
        let others = self.only_b.iter().filter_map(|index| self.counterpart_of_parent(a, b, *index));
        for task in self.only_a.iter().filter_map(|index| a[*index].parent_task).chain(others) {
            mark(&mut above, &parents, task);
        }
        // Children have higher ordinals than what they are part of.
        for (i, j) in self.both.iter().rev() {
            let (one, other) = (&a[*i], &b[*j]);
            let difference = if same(one.input.as_ref(), other.input.as_ref()) {
                end(one, other).filter(|_| !above.contains(&one.task))
            } else {
                Some(Difference::Input)
            };
            if let Some(difference) = difference {
                differing.push((*i, *j, difference));
                if let Some(parent) = one.parent_task {
                    mark(&mut above, &parents, parent);
                }
            }
        }
        let changed = differing
            .last()
            .map(|(i, j, difference)| (a[*i].task, divergence(*difference, Some(&a[*i]), Some(&b[*j]))));
        let only_a = self.only_a.first().map(|index| &a[*index]);
        let only_b = self.only_b.first().map(|index| &b[*index]);
        let alone = match (only_a, only_b) {
            (Some(one), Some(other)) if one.task == other.task => {
                Some((one.task, divergence(Difference::Task, Some(one), Some(other))))
            }
            (Some(one), Some(other)) if one.task > other.task => {
                Some((other.task, divergence(Difference::Task, None, Some(other))))
            }
            (Some(one), _) => Some((one.task, divergence(Difference::Task, Some(one), None))),
            (None, Some(other)) => Some((other.task, divergence(Difference::Task, None, Some(other)))),
            (None, None) => None,
        };
        changed.into_iter().chain(alone).min_by_key(|(ordinal, _)| *ordinal).map(|(_, first)| first)
    }

    /// The task of `a` that a task which only `b` has would be part of.
    fn counterpart_of_parent(&self, a: &[Task], b: &[Task], index: usize) -> Option<i32> {
        let mut parent = b[index].parent_task;
        while let Some(ordinal) = parent {
            let at = b.iter().position(|task| task.task == ordinal)?;
            if let Some((i, _)) = self.both.iter().find(|(_, j)| *j == at) {
                return Some(a[*i].task);
            }
            parent = b[at].parent_task;
        }
        None
    }
}

/// Each task's path, with how often it came up before.
fn numbered(tasks: &[Task]) -> Vec<(&str, usize)> {
    let mut seen: HashMap<&str, usize> = HashMap::new();
    let number = |task| {
        let task: &Task = task;
        let count = seen.entry(task.path.as_str()).or_default();
        *count += 1;
        (task.path.as_str(), *count - 1)
    };
    tasks.iter().map(number).collect()
}

fn parents(tasks: &[Task]) -> HashMap<i32, i32> {
    tasks.iter().filter_map(|task| Some((task.task, task.parent_task?))).collect()
}

/// Marks a task and all that it is part of.
fn mark(marked: &mut BTreeSet<i32>, parents: &HashMap<i32, i32>, task: i32) {
    let mut next = Some(task);
    while let Some(task) = next.filter(|task| marked.insert(*task)) {
        next = parents.get(&task).copied();
    }
}

/// In what the ends of two tasks differ.
fn end(a: &Task, b: &Task) -> Option<Difference> {
    if a.error != b.error {
        Some(Difference::Error)
    } else if !same(a.output.as_ref(), b.output.as_ref()) {
        Some(Difference::Output)
    } else if a.status != b.status {
        Some(Difference::Status)
    } else {
        None
    }
}

fn divergence(difference: Difference, a: Option<&Task>, b: Option<&Task>) -> Divergence {
    let path = a.or(b).map(|task| task.path.clone()).unwrap_or_default();
    Divergence { path, difference, a: a.cloned(), b: b.cloned() }
}

/// Whether two values are equal, whatever the order of their members.
fn same(a: Option<&Json>, b: Option<&Json>) -> bool {
    match (a, b) {
        (None, None) => true,
        (Some(a), Some(b)) if a.0 == b.0 => true,
        (Some(a), Some(b)) => {
            let value = |json: &Json| serde_json::from_str::<Value>(&json.0).ok();
            value(a).zip(value(b)).is_some_and(|(a, b)| a == b)
        }
        _ => false,
    }
}
