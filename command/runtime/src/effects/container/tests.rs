use std::{fs, os::unix::fs::PermissionsExt, sync::Mutex};

use openclaw_model::{Timestamp, event::run::ProcessReturn};
use serde_json::json;

use super::*;

/// A program that behaves as an engine does, with a file for each container. What a container runs is its command,
/// by a shell of this machine.
const ENGINE: &str = r#"#!/bin/sh
state=$(dirname "$0")
printf '%s\n' "$*" >> "$state/said"
verb=$1; shift
case $verb in
ps)
  for option; do case $option in label=*) label=${option#label=};; esac; done
  for file in "$state"/c-*.labels; do
    [ -f "$file" ] && grep -qxF "$label" "$file" && basename "$file" .labels
  done
  exit 0;;
create)
  id=c-$(ls "$state" | grep -c labels)
  while [ $# -gt 0 ]; do
    case $1 in
    --label) echo "$2" >> "$state/$id.labels"; shift;;
    --env) echo "export $2" >> "$state/$id.env"; shift;;
    --interactive) ;;
    --*) shift;;
    *) break;;
    esac
    shift
  done
  image=$1; shift
  [ "$image" = missing ] && { echo "no such image" >&2; exit 125; }
  for word; do printf "'%s' " "$(printf %s "$word" | sed "s/'/'\\\\''/g")"; done > "$state/$id.words"
  echo created > "$state/$id.status"
  echo "$id";;
start)
  while [ $# -gt 1 ]; do attach=1; shift; done
  id=$1
  [ -f "$state/broken" ] && { echo "cannot start" | tee "$state/$id.error" >&2; exit 1; }
  echo running > "$state/$id.new" && mv "$state/$id.new" "$state/$id.status"
  [ -n "$attach" ] && cat > "$state/$id.stdin" || : > "$state/$id.stdin"
  # The container is nobody's child.
  setsid sh -c '
    state=$0; id=$1
    [ -f "$state/$id.env" ] && . "$state/$id.env"
    echo $$ > "$state/$id.pid"
    echo begun >> "$state/$id.begun"
    eval "set -- $(cat "$state/$id.words")"
    /bin/sh "$@" < "$state/$id.stdin" > "$state/$id.out" 2> "$state/$id.err"
    code=$?
    [ -f "$state/$id.words" ] || exit
    echo $code > "$state/$id.code"
    date -u +%Y-%m-%dT%H:%M:%SZ > "$state/$id.finished"
    echo exited > "$state/$id.next" && mv "$state/$id.next" "$state/$id.status"' "$state" "$id" > /dev/null 2>&1 < /dev/null &
  echo "$id";;
wait)
  while [ -f "$state/$1.status" ] && [ "$(cat "$state/$1.status")" = running ]; do sleep 0.02; done
  [ -f "$state/$1.code" ] && cat "$state/$1.code" || exit 1;;
inspect)
  id=$3
  case $2 in
  *Labels*)
    printf '{'; sed 's/\(.*\)=\(.*\)/"\1":"\2"/' "$state/$id.labels" | paste -sd, -; printf '}';;
  *)
    [ -f "$state/$id.status" ] || { echo "no such container" >&2; exit 1; }
    printf '{"Status":"%s","ExitCode":%s,"FinishedAt":"%s","Error":"%s"}' "$(cat "$state/$id.status")" \
      "$(cat "$state/$id.code" 2>/dev/null || echo 0)" "$(cat "$state/$id.finished" 2>/dev/null)" \
      "$(cat "$state/$id.error" 2>/dev/null)";;
  esac;;
logs) cat "$state/$1.out"; cat "$state/$1.err" >&2;;
rm)
  for id; do :; done
  [ -f "$state/$id.pid" ] && kill -9 -- "-$(cat "$state/$id.pid")" 2>/dev/null
  rm -f "$state/$id".*;;
esac
"#;

struct Fixed(Timestamp);

impl Clock for Fixed {
    fn now(&self) -> Timestamp {
        self.0
    }
}

/// Runs one test at a time that writes a program and starts it at once: another test's fork could hold the program
/// open for writing, and then it cannot be run.
static ALONE: Mutex<()> = Mutex::new(());

struct World {
    directory: tempfile::TempDir,
    effects: ContainerEffects,
}

impl World {
    fn new(change: impl FnOnce(&Path, &mut Config)) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let program = directory.path().join("engine");
        {
            let _alone = ALONE.lock().unwrap();
            fs::write(&program, ENGINE).unwrap();
            fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        }
        let mut config = Config {
            program: Some(program),
            environment: [("PATH".to_owned(), "/usr/local/bin:/usr/bin:/bin".to_owned())].into(),
            directory: directory.path().join("own"),
            ..Config::default()
        };
        change(directory.path(), &mut config);
        let effects =
            ContainerEffects::new(config, Arc::new(Fixed(Timestamp::from_millis(i64::MAX / 2_000_000))));
        Self { directory, effects }
    }

    async fn perform(&self, request: &ContainerRequest, key: &str) -> EffectOutcome {
        self.effects.perform(request, key, CancellationToken::new()).await
    }

    /// The command lines that the engine was given.
    fn said(&self) -> Vec<String> {
        let said = fs::read_to_string(self.directory.path().join("said")).unwrap_or_default();
        said.lines().map(str::to_owned).collect()
    }

    fn count(&self, verb: &str) -> usize {
        self.said().iter().filter(|line| line.split(' ').next() == Some(verb)).count()
    }

    /// How often the command of the container was begun.
    fn begun(&self, id: &str) -> usize {
        fs::read_to_string(self.directory.path().join(format!("{id}.begun")))
            .unwrap_or_default()
            .lines()
            .count()
    }
}

fn shell(command: &str) -> ContainerRequest {
    ContainerRequest {
        image: "alpine".into(),
        name: None,
        command: Some(command.into()),
        ports: BTreeMap::new(),
        volumes: BTreeMap::new(),
        environment: BTreeMap::new(),
        stdin: None,
        arguments: Vec::new(),
        pull_policy: "ifNotPresent".into(),
        keep_ms: None,
        returns: ProcessReturn::All,
        wait: true,
    }
}

fn detail(outcome: EffectOutcome) -> (u16, String) {
    let error = outcome.unwrap_err();
    (error.status, error.detail.unwrap())
}

#[tokio::test]
async fn a_container_gets_its_arguments_its_input_and_its_environment() {
    let world = World::new(|_, _| {});
    let request = ContainerRequest {
        stdin: Some("Hello World".into()),
        arguments: vec!["Foo".into(), "$(id) b".into()],
        environment: [("WHO".to_owned(), "me".to_owned())].into(),
        ..shell("echo \"STDIN was: $(cat)\"; echo \"ARGS are $1 $2 of $#, $WHO\"; echo oops >&2; exit 3")
    };
    let outcome = world.perform(&request, "k1").await.unwrap();
    let expected = "STDIN was: Hello World\nARGS are Foo $(id) b of 2, me\n";
    assert_eq!(outcome, json!({ "code": 3, "stdout": expected, "stderr": "oops\n" }));
    let create = world.said().into_iter().find(|line| line.starts_with("create")).unwrap();
    for part in [
        "--name openclaw-k1 ",
        "--label openclaw.effect=k1 ",
        "--pull missing ",
        "--network none ",
        "--security-opt no-new-privileges ",
        "--memory 536870912 --pids-limit 512 ",
        "--interactive --entrypoint /bin/sh alpine -c ",
    ] {
        assert!(create.contains(part), "{part} in {create}");
    }
    let failed = ContainerRequest { returns: ProcessReturn::Stdout, ..shell("echo why >&2; exit 4") };
    let (status, text) = detail(world.perform(&failed, "k2").await);
    assert_eq!((status, text.as_str()), (500, "exit code 4: why"));
}

#[tokio::test]
async fn a_container_that_has_ended_is_asked_and_not_run_again() {
    let world = World::new(|_, _| {});
    let request = shell("echo once");
    let first = world.perform(&request, "k").await.unwrap();
    assert_eq!(world.perform(&request, "k").await.unwrap(), first);
    assert_eq!((world.count("create"), world.count("start"), world.begun("c-0")), (1, 1, 1));
    world.perform(&request, "other").await.unwrap();
    assert_eq!((world.count("create"), world.begun("c-1")), (2, 1));
}

#[tokio::test]
async fn a_container_that_runs_when_the_server_dies_is_waited_for() {
    let world = World::new(|_, _| {});
    let go = world.directory.path().join("go");
    let request = ContainerRequest {
        stdin: Some("in".into()),
        ..shell(&format!("while [ ! -f {} ]; do sleep 0.02; done; cat", go.display()))
    };
    {
        let mut performing = Box::pin(world.perform(&request, "k"));
        // As a crash does: nothing of it is waited for any more.
        while world.begun("c-0") == 0 {
            let step = tokio::time::timeout(Duration::from_millis(20), &mut performing).await;
            assert!(step.is_err(), "{step:?}");
        }
    }
    let again = world.perform(&request, "k");
    let (outcome, ()) = tokio::join!(again, async { fs::write(&go, "").unwrap() });
    assert_eq!(outcome.unwrap()["stdout"], "in");
    assert_eq!((world.count("create"), world.begun("c-0")), (1, 1));
}

#[tokio::test]
async fn a_container_that_was_made_and_not_started_is_started() {
    let world = World::new(|_, _| {});
    let engine = Engine::find(&world.effects.inner.config).unwrap();
    let request = shell("echo late");
    let words = create::arguments(&request, "k", &world.effects.inner.config).await.unwrap();
    engine.create(words).await.unwrap();
    assert_eq!(world.perform(&request, "k").await.unwrap()["stdout"], "late\n");
    assert_eq!((world.count("create"), world.begun("c-0")), (1, 1));
}

#[tokio::test]
async fn a_container_is_killed_when_it_is_cancelled_or_takes_too_long() {
    let world = World::new(|_, _| {});
    let (request, cancel) = (shell("sleep 60"), CancellationToken::new());
    let (outcome, ()) = tokio::join!(world.effects.perform(&request, "k", cancel.clone()), async {
        while world.begun("c-0") == 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        cancel.cancel();
    });
    assert_eq!(detail(outcome).1, "the container was cancelled");
    assert!(world.said().last().unwrap().starts_with("rm --force --volumes c-0"));

    let hurried = World::new(|_, config| config.wall = Duration::from_millis(1500));
    let (status, text) = detail(hurried.perform(&shell("sleep 60"), "k").await);
    assert_eq!((status, text.as_str()), (408, "the container was killed after 1.5 s"));
    assert_eq!(hurried.count("rm"), 1);
}

#[tokio::test]
async fn nobody_waits_for_a_container_that_is_not_awaited() {
    let world = World::new(|_, _| {});
    for (key, stdin) in [("one", None), ("two", Some("in".to_owned()))] {
        let request = ContainerRequest { wait: false, stdin, ..shell("sleep 60; echo done") };
        assert_eq!(world.perform(&request, key).await, Ok(Value::Null));
        assert_eq!(world.perform(&request, key).await, Ok(Value::Null));
    }
    assert_eq!((world.count("start"), world.count("wait")), (2, 0));
    let engine = Engine::find(&world.effects.inner.config).unwrap();
    for key in ["one", "two"] {
        engine.remove_effect(key).await.unwrap();
    }
}

#[tokio::test]
async fn volumes_ports_and_names_are_checked() {
    let world = World::new(|root, config| {
        fs::create_dir_all(root.join("shared/deep")).unwrap();
        std::os::unix::fs::symlink("/etc", root.join("shared/link")).unwrap();
        config.volumes = vec![root.join("shared")];
    });
    let root = world.directory.path().canonicalize().unwrap();
    let volume =
        |outside: String| ContainerRequest { volumes: [("/in".to_owned(), outside)].into(), ..shell("true") };
    let shared = root.join("shared/deep").display().to_string();
    let good = ContainerRequest {
        ports: [("80".to_owned(), json!(8080))].into(),
        name: Some("mine-1.x".into()),
        pull_policy: "always".into(),
        ..volume(format!("{shared}:ro"))
    };
    world.perform(&good, "good").await.unwrap();
    let create = world.said().into_iter().find(|line| line.starts_with("create")).unwrap();
    for part in [
        format!("--mount type=bind,source={shared},target=/in,readonly "),
        "--publish 127.0.0.1:8080:80 ".into(),
        "--name mine-1.x ".into(),
        "--pull always ".into(),
    ] {
        assert!(create.contains(&part), "{part} in {create}");
    }
    assert!(!create.contains("--network"));

    for bad in [
        volume("/etc".into()),
        volume(root.join("shared/link").display().to_string()),
        volume(root.join("shared/../engine").display().to_string()),
        volume("relative".into()),
        ContainerRequest { ports: [("80".to_owned(), json!(0))].into(), ..shell("true") },
        ContainerRequest { ports: [("80/udp -v".to_owned(), json!(1))].into(), ..shell("true") },
        ContainerRequest { name: Some("--privileged".into()), ..shell("true") },
        ContainerRequest { image: "--privileged".into(), ..shell("true") },
        ContainerRequest { pull_policy: "sometimes".into(), ..shell("true") },
    ] {
        let (status, text) = detail(world.perform(&bad, "bad").await);
        assert!(status == 400 && text.starts_with("OC-CTR-003"), "{text}");
    }
    assert_eq!(world.count("create"), 1);
}

#[tokio::test]
async fn an_engine_that_is_not_there_or_fails_is_named_by_its_code() {
    let none = World::new(|_, config| config.engine = Choice::None);
    let (status, text) = detail(none.perform(&shell("true"), "k").await);
    assert!(status == 400 && text.starts_with("OC-CTR-001"), "{text}");
    let gone = World::new(|root, config| config.program = Some(root.join("nothing")));
    assert!(detail(gone.perform(&shell("true"), "k").await).1.starts_with("OC-CTR-001"));

    let world = World::new(|_, _| {});
    let missing = ContainerRequest { image: "missing".into(), ..shell("true") };
    let (status, text) = detail(world.perform(&missing, "k").await);
    assert!(status == 500 && text.starts_with("OC-CTR-002") && text.contains("no such image"), "{text}");
    fs::write(world.directory.path().join("broken"), "").unwrap();
    for stdin in [None, Some("x".to_owned())] {
        let request = ContainerRequest { stdin, ..shell("true") };
        assert!(detail(world.perform(&request, "k2").await).1.contains("cannot start"));
    }
    assert_eq!(world.count("rm"), 2, "what never ran is taken away");
}

#[tokio::test]
async fn a_container_is_removed_when_it_has_been_kept_for_long_enough() {
    let world = World::new(|_, _| {});
    for (keep_ms, key) in [(Some(90_000), "kept"), (Some(0), "gone"), (None, "forever")] {
        world.perform(&ContainerRequest { keep_ms, ..shell("true") }, key).await.unwrap();
    }
    assert_eq!(world.effects.keeping.len(), 2, "nobody waits to remove the one that is kept for ever");
    world.effects.stop().await;
    assert_eq!(world.count("rm"), 0);

    let engine = Engine::find(&world.effects.inner.config).unwrap();
    tokio::time::pause();
    for (id, keep, expected) in [("c-0", 90, 90), ("c-1", 0, keep::GRACE.as_secs())] {
        let begin = tokio::time::Instant::now();
        keep::remove(&engine, id, Duration::from_secs(keep)).await;
        assert_eq!(begin.elapsed().as_secs(), expected, "{id}");
        assert!(world.said().contains(&format!("rm --force --volumes {id}")));
    }
}

#[tokio::test]
async fn a_later_start_removes_what_an_earlier_one_kept() {
    let world = World::new(|_, _| {});
    let old = ContainerRequest { keep_ms: Some(1000), ..shell("true") };
    world.perform(&old, "old").await.unwrap();
    world.perform(&shell("true"), "forever").await.unwrap();
    world.effects.stop().await;
    let config = &world.effects.inner.config;
    let engine = Engine::find(config).unwrap();
    keep::sweep(&engine, &config.instance(), &Fixed(Timestamp::from_millis(0))).await;
    assert_eq!(world.count("rm"), 0, "its time is not over");
    let later = Fixed(Timestamp::from_millis(4_102_444_800_000));
    keep::sweep(&engine, "somebody else", &later).await;
    assert_eq!(world.count("rm"), 0);
    keep::sweep(&engine, &config.instance(), &later).await;
    let removed: Vec<_> = world.said().into_iter().filter(|line| line.starts_with("rm")).collect();
    assert_eq!(removed, ["rm --force --volumes c-0"]);
}

#[tokio::test]
async fn the_real_engine_runs_a_container_where_there_is_one() {
    let directory = tempfile::tempdir().unwrap();
    let environment = [("PATH".to_owned(), "/usr/local/bin:/usr/bin:/bin".to_owned())].into();
    let config = Config { environment, directory: directory.path().to_owned(), ..Config::default() };
    let Ok(engine) = Engine::find(&config) else { return };
    if engine.list("label=openclaw.none").await.is_err() {
        // A program without its daemon refuses, and that is told with its code.
        let effects = ContainerEffects::new(config, Arc::new(Fixed(Timestamp::from_millis(0))));
        let outcome = effects.perform(&shell("true"), "real", CancellationToken::new()).await;
        assert!(detail(outcome).1.starts_with("OC-CTR-002"));
        return;
    }
    let effects = ContainerEffects::new(config, Arc::new(Fixed(Timestamp::from_millis(0))));
    let key = directory.path().file_name().unwrap().to_str().unwrap().replace('.', "x");
    let request = ContainerRequest { stdin: Some("in".into()), ..shell("cat; echo $1") };
    let request = ContainerRequest { arguments: vec!["arg".into()], ..request };
    let outcome = effects.perform(&request, &key, CancellationToken::new()).await;
    engine.remove_effect(&key).await.unwrap();
    assert_eq!(outcome.unwrap()["stdout"], "inarg\n");
}
