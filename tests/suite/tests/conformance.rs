//! The conformance kit of the Serverless Workflow specification, from the directory in `OPENCLAW_CTK_DIR`.

use std::{collections::BTreeMap, fs, path::PathBuf};

use openclaw_suite::{
    Server,
    gherkin::{self, Scenario, Step},
    tell,
};
use serde_json::{Value, json};

const VARIABLE: &str = "OPENCLAW_CTK_DIR";

#[tokio::test]
async fn every_scenario_of_the_conformance_kit_passes() {
    #[expect(clippy::disallowed_methods, reason = "a test is told by its environment what to test")]
    let Some(directory) = std::env::var_os(VARIABLE).map(PathBuf::from) else {
        tell(&format!("skipped: {VARIABLE} names no directory of .feature files"));
        return;
    };
    let mut files: Vec<PathBuf> = fs::read_dir(&directory)
        .unwrap_or_else(|error| panic!("{}: {error}", directory.display()))
        .map(|entry| entry.expect("a directory can be listed").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "feature"))
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{} has no .feature file", directory.display());

    let data = tempfile::tempdir().expect("a temporary directory");
    let server = Server::on(data.path()).await;
    let (mut passed, mut failed) = (0, Vec::new());
    for file in files {
        let text = fs::read_to_string(&file).expect("a feature is text");
        let feature = gherkin::parse(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        for scenario in feature.scenarios {
            match play(&server, &scenario).await {
                Ok(()) => passed += 1,
                Err(problem) => failed.push(format!("{} / {}: {problem}", feature.name, scenario.name)),
            }
        }
    }
    tell(&format!("conformance: {passed} passed, {} failed, 0 skipped", failed.len()));
    assert!(failed.is_empty(), "{}", failed.join("\n"));
    server.terminate().await;
}

/// A run that has ended.
#[derive(Default)]
struct World {
    definition: Value,
    input: Option<Value>,
    run: Value,
    /// In the order in which they were started.
    tasks: Vec<Value>,
}

async fn play(server: &Server, scenario: &Scenario) -> Result<(), String> {
    let mut world = World::default();
    for step in &scenario.steps {
        step_of(server, &mut world, step)
            .await
            .map_err(|problem| format!("line {}: {problem}", step.line))?;
    }
    Ok(())
}

async fn step_of(server: &Server, world: &mut World, step: &Step) -> Result<(), String> {
    match step.text.trim_end_matches(':') {
        "a workflow with definition" => world.definition = Value::String(doc(step)?.to_owned()),
        "given the workflow input is" => world.input = Some(yaml(step)?),
        "the workflow is executed" => return execute(server, world).await,
        "the workflow should cancel" => ended(world, "cancelled")?,
        "the workflow should complete" => ended(world, "completed")?,
        "the workflow should complete with output" => {
            ended(world, "completed")?;
            same(&world.run["output"], &yaml(step)?)?;
        }
        "the workflow should fault" => ended(world, "faulted")?,
        "the workflow should fault with error" => {
            ended(world, "faulted")?;
            contains(&world.run["error"], &yaml(step)?)?;
        }
        text => match text.strip_prefix("the workflow output should have ") {
            Some(rest) => output(world, rest, step)?,
            None => task(world, text, step)?,
        },
    }
    Ok(())
}

async fn execute(server: &Server, world: &mut World) -> Result<(), String> {
    let mut params = json!({ "definition": world.definition, "wait": "60s" });
    if let Some(input) = &world.input {
        params["input"] = input.clone();
    }
    world.run = server.rpc("run.start", params).await.map_err(|error| error.to_string())?;
    let variables = json!({ "id": world.run["runId"], "at": world.run["position"] });
    let query =
        "query($id: ID!, $at: Position) { run(id: $id, minPosition: $at) { tasks(first: 200) { nodes {
        name status output error { type status title detail instance } } } } }";
    let data = server.query(query, variables).await;
    world.tasks = data["run"]["tasks"]["nodes"].as_array().cloned().unwrap_or_default();
    Ok(())
}

fn ended(world: &World, status: &str) -> Result<(), String> {
    if world.run["status"] == status { Ok(()) } else { Err(format!("not {status}: {}", world.run)) }
}

/// `... properties 'a', 'b'`, `... a 'a.b' property with value:` and `... a 'a' property containing 3 items`.
fn output(world: &World, text: &str, step: &Step) -> Result<(), String> {
    let quoted: Vec<&str> = text.split('\'').skip(1).step_by(2).collect();
    let property = |path: &str| {
        let pointer = format!("/{}", path.replace('.', "/"));
        world.run["output"].pointer(&pointer).ok_or(format!("no {path} in {}", world.run["output"]))
    };
    if text.starts_with("properties ") {
        return quoted.into_iter().try_for_each(|path| property(path).map(drop));
    }
    let (Some(path), Some(rest)) = (quoted.first(), text.rsplit_once("' property ").map(|(_, rest)| rest))
    else {
        return Err(format!("{text} is not understood"));
    };
    if rest.starts_with("with value") {
        return same(property(path)?, &yaml(step)?);
    }
    let count = rest.strip_prefix("containing ").and_then(|rest| rest.strip_suffix(" items"));
    let count: usize =
        count.and_then(|count| count.parse().ok()).ok_or(format!("{text} is not understood"))?;
    match property(path)? {
        Value::Array(items) if items.len() == count => Ok(()),
        Value::Object(items) if items.len() == count => Ok(()),
        other => Err(format!("{path} has not {count} items: {other}")),
    }
}

/// `NAME should run first`, `NAME should complete with output:` and their kin.
fn task(world: &World, text: &str, step: &Step) -> Result<(), String> {
    let unknown = || format!("{text} is not understood");
    let (name, what) = text.split_once(" should ").ok_or_else(unknown)?;
    let place = |name: &str| {
        let found = world.tasks.iter().position(|task| task["name"] == name);
        found.ok_or(format!("task {name} did not run"))
    };
    let index = place(name)?;
    let shown = &world.tasks[index];
    let holds = |holds: bool| if holds { Ok(()) } else { Err(format!("{text}: {shown}")) };
    let words: Vec<&str> = what.trim_end_matches(':').split(' ').collect();
    match words.as_slice() {
        ["run", "first"] => holds(index == 0),
        ["run", "last"] => holds(index + 1 == world.tasks.len()),
        ["run", "before", other] => holds(index < place(other)?),
        ["run", "after", other] => holds(index > place(other)?),
        ["cancel"] => holds(shown["status"] == "cancelled"),
        ["complete"] => holds(shown["status"] == "completed"),
        ["fault"] => holds(shown["status"] == "faulted"),
        ["complete", "with", "output"] => {
            holds(shown["status"] == "completed")?;
            same(&shown["output"], &yaml(step)?)
        }
        ["fault", "with", "error"] => {
            holds(shown["status"] == "faulted")?;
            contains(&shown["error"], &yaml(step)?)
        }
        _ => Err(unknown()),
    }
}

fn doc(step: &Step) -> Result<&str, String> {
    step.doc.as_deref().ok_or_else(|| format!("{:?} needs a doc string", step.text))
}

fn yaml(step: &Step) -> Result<Value, String> {
    serde_saphyr::from_str(doc(step)?).map_err(|error| error.to_string())
}

fn same(actual: &Value, expected: &Value) -> Result<(), String> {
    if actual == expected { Ok(()) } else { Err(format!("it is {actual}, not {expected}")) }
}

/// An error may say more than the scenario asks for.
fn contains(actual: &Value, expected: &Value) -> Result<(), String> {
    let expected: BTreeMap<String, Value> =
        serde_json::from_value(expected.clone()).map_err(|error| error.to_string())?;
    expected.into_iter().try_for_each(|(name, value)| {
        same(&actual[&name], &value).map_err(|problem| format!("{name}: {problem}"))
    })
}
