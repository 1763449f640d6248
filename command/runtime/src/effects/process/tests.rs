use std::{
    os::unix::{fs::PermissionsExt, process::ExitStatusExt},
    process::Stdio,
    sync::Mutex,
    time::Duration,
};

use openclaw_model::event::run::ScriptLanguage;
use openclaw_ports::sandbox::{Level, Running};
use tokio::io::AsyncWriteExt;

use super::*;

/// Does as a sandbox does, without one, and remembers the jobs.
#[derive(Default)]
struct Open {
    jobs: Mutex<Vec<Job>>,
}

impl Sandbox for Open {
    fn run(&self, job: Job, _: CancellationToken) -> Running<'_> {
        self.jobs.lock().unwrap().push(job.clone());
        Box::pin(async move {
            let mut child = tokio::process::Command::new(&job.command[0])
                .args(&job.command[1..])
                .env_clear()
                .envs(&job.environment)
                .current_dir(&job.workspace)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .stderr(Stdio::piped())
                .spawn()
                .map_err(|_| Error::NoProgram(job.command[0].clone()))?;
            let _ = child.stdin.take().unwrap().write_all(&job.stdin.unwrap_or_default()).await;
            let output = child.wait_with_output().await.unwrap();
            let end = match output.status.code() {
                Some(code) => End::Exited(code),
                None => End::Signalled(output.status.signal().unwrap()),
            };
            Ok(Outcome { end, stdout: output.stdout, stderr: output.stderr, truncated: false })
        })
    }
}

/// A sandbox in which everything ends the same way.
struct Fixed(Result<Outcome, Error>);

impl Sandbox for Fixed {
    fn run(&self, _: Job, _: CancellationToken) -> Running<'_> {
        Box::pin(async { self.0.clone() })
    }
}

fn run_id() -> RunId {
    "0192d1a0-0000-7000-8000-000000000001".parse().unwrap()
}

fn shell(command: &str) -> ProcessRequest {
    ProcessRequest {
        program: Program::Shell { command: command.into() },
        stdin: None,
        arguments: Vec::new(),
        environment: BTreeMap::new(),
        returns: ProcessReturn::Stdout,
        wait: true,
        sandbox: None,
    }
}

fn script(language: ScriptLanguage, code: &str) -> ProcessRequest {
    ProcessRequest { program: Program::Script { language, code: code.into() }, ..shell("") }
}

async fn perform(request: &ProcessRequest) -> EffectOutcome {
    let directory = tempfile::tempdir().unwrap();
    let effects = effects(Arc::new(Open::default()), directory.path());
    effects.perform(run_id(), request, &Caller::default(), CancellationToken::new()).await
}

fn effects(sandbox: Arc<dyn Sandbox>, directory: &Path) -> ProcessEffects {
    ProcessEffects::new(sandbox, directory.join("workspaces"), Policy::default())
}

async fn fixed(returns: ProcessReturn, result: Result<Outcome, Error>) -> EffectOutcome {
    let directory = tempfile::tempdir().unwrap();
    let request = ProcessRequest { returns, ..shell("true") };
    effects(Arc::new(Fixed(result)), directory.path())
        .perform(run_id(), &request, &Caller::default(), CancellationToken::new())
        .await
}

fn ended(end: End, stderr: &str) -> Outcome {
    Outcome { end, stdout: Vec::new(), stderr: stderr.into(), truncated: false }
}

fn kind(error: &WorkflowError) -> (&str, u16) {
    (error.r#type.rsplit('/').next().unwrap(), error.status)
}

#[tokio::test]
async fn a_command_line_gets_its_arguments_its_input_and_its_environment() {
    let request = ProcessRequest {
        stdin: Some("Hello World".into()),
        arguments: vec!["Foo".into(), "$(id) Bär".into()],
        environment: BTreeMap::from([("WHO".into(), "me".into())]),
        ..shell("input=$(cat)\necho \"STDIN was: $input\"\necho \"ARGS are $1 $2 of $#, $WHO, $HOME\"")
    };
    let expected = "STDIN was: Hello World\nARGS are Foo $(id) Bär of 2, me, /tmp\n";
    assert_eq!(perform(&request).await, Ok(json!(expected)));
}

#[tokio::test]
async fn the_job_is_confined_to_the_runs_own_private_workspace() {
    let directory = tempfile::tempdir().unwrap();
    let sandbox = Arc::new(Open::default());
    let effects = effects(sandbox.clone(), directory.path());
    effects
        .perform(run_id(), &shell("echo x > kept"), &Caller::default(), CancellationToken::new())
        .await
        .unwrap();
    let kept =
        effects.perform(run_id(), &shell("cat kept"), &Caller::default(), CancellationToken::new()).await;
    assert_eq!(kept, Ok(json!("x\n")), "tasks of a run share it");

    let job = sandbox.jobs.lock().unwrap()[0].clone();
    assert_eq!(job.workspace, directory.path().join("workspaces").join(run_id().to_string()));
    assert_eq!(job.policy.level, Level::Strict);
    assert_eq!(job.environment.keys().collect::<Vec<_>>(), ["HOME", "LANG", "PATH"]);
    for path in [&job.workspace, job.workspace.parent().unwrap()] {
        assert_eq!(std::fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o700);
    }
    effects.remove_workspace(run_id()).await.unwrap();
    assert!(!job.workspace.exists());
    effects.remove_workspace(run_id()).await.unwrap();
}

#[tokio::test]
async fn a_script_finds_its_arguments_where_its_language_has_them() {
    let javascript = ProcessRequest {
        stdin: Some("in".into()),
        arguments: vec!["hello".into(), "world".into()],
        environment: BTreeMap::from([("foo".into(), "bar".into())]),
        ..script(
            ScriptLanguage::Javascript,
            "import { readFileSync } from 'node:fs';\n\
             const [_, __, arg0, arg1] = process.argv;\n\
             console.log(arg0, arg1, process.env.foo, readFileSync(process.stdin.fd, 'utf8'))",
        )
    };
    assert_eq!(perform(&javascript).await, Ok(json!("hello world bar in\n")));
    let old = script(ScriptLanguage::Javascript, "console.log(require('node:path').basename('/a/b'))");
    assert_eq!(perform(&old).await, Ok(json!("b\n")));
    let python = ProcessRequest {
        arguments: vec!["ü".into()],
        ..script(ScriptLanguage::Python, "import sys\nprint(sys.argv[1:], sys.stdin.read())")
    };
    assert_eq!(perform(&python).await, Ok(json!("['ü'] \n")));
}

#[tokio::test]
async fn a_script_is_gone_when_it_has_run() {
    let listing = script(ScriptLanguage::Python, "import os\nprint(len(os.listdir('.')))");
    assert_eq!(perform(&listing).await, Ok(json!("1\n")));
    let directory = tempfile::tempdir().unwrap();
    let effects = effects(Arc::new(Open::default()), directory.path());
    effects.perform(run_id(), &listing, &Caller::default(), CancellationToken::new()).await.unwrap();
    let left = std::fs::read_dir(effects.path(run_id())).unwrap().count();
    assert_eq!(left, 0);
}

#[tokio::test]
async fn the_task_outputs_what_it_wants_of_a_process() {
    let command = "echo out; echo err >&2; exit ";
    let with = |returns, code: u8| ProcessRequest { returns, ..shell(&format!("{command}{code}")) };
    assert_eq!(perform(&with(ProcessReturn::Stdout, 0)).await, Ok(json!("out\n")));
    assert_eq!(perform(&with(ProcessReturn::Stderr, 0)).await, Ok(json!("err\n")));
    assert_eq!(perform(&with(ProcessReturn::None, 0)).await, Ok(Value::Null));
    assert_eq!(perform(&with(ProcessReturn::Code, 3)).await, Ok(json!(3)));
    let all = json!({ "code": 3, "stdout": "out\n", "stderr": "err\n" });
    assert_eq!(perform(&with(ProcessReturn::All, 3)).await, Ok(all));
}

#[tokio::test]
async fn a_failed_process_is_a_runtime_error_with_the_end_of_what_it_said() {
    for returns in [ProcessReturn::Stdout, ProcessReturn::Stderr, ProcessReturn::None] {
        let command =
            "i=0; while [ $i -lt 500 ]; do echo noise >&2; i=$((i+1)); done; echo reason >&2; exit 3";
        let error = perform(&ProcessRequest { returns, ..shell(command) }).await.unwrap_err();
        assert_eq!(kind(&error), ("runtime", 500));
        assert_eq!(error.title.as_deref(), Some("Process ended with exit code 3"));
        let detail = error.detail.unwrap();
        assert!(detail.starts_with("exit code 3: ") && detail.ends_with("noise\nreason"), "{detail}");
        assert!(detail.len() <= MAX_EXCERPT + 20);
    }
}

#[tokio::test]
async fn ends_that_the_process_did_not_choose_are_errors_whatever_it_returns() {
    for returns in [ProcessReturn::Stdout, ProcessReturn::Code, ProcessReturn::All] {
        let error = fixed(returns, Ok(ended(End::Signalled(24), "x"))).await.unwrap_err();
        assert_eq!(kind(&error), ("runtime", 500));
        assert_eq!(error.detail.as_deref(), Some("ended by SIGXCPU, the limit on processor time: x"));
        let error = fixed(returns, Ok(ended(End::Signalled(60), ""))).await.unwrap_err();
        assert_eq!(error.detail.as_deref(), Some("ended by signal 60"));
        let error = fixed(returns, Ok(ended(End::Limit(Limit::Wall), ""))).await.unwrap_err();
        assert_eq!(kind(&error), ("timeout", 408));
        assert!(fixed(returns, Ok(ended(End::Cancelled, ""))).await.is_err());
    }
}

#[tokio::test]
async fn a_sandbox_that_does_not_run_the_job_is_named_by_its_code() {
    for (problem, expected, code) in [
        (Error::Unavailable("no user namespaces".into()), ("runtime", 500), "OC-SBX-001: "),
        (Error::NoProgram("node".into()), ("configuration", 400), "OC-SBX-002: "),
        (Error::Refused("too long".into()), ("configuration", 400), "OC-SBX-003: "),
    ] {
        let error = fixed(ProcessReturn::Code, Err(problem)).await.unwrap_err();
        assert_eq!(kind(&error), expected);
        assert!(error.detail.unwrap().starts_with(code));
    }
}

#[tokio::test]
async fn output_that_was_cut_is_an_error_only_for_who_wants_it() {
    let cut = Outcome {
        end: End::Exited(0),
        stdout: vec![b'x'; Limits::default().output_bytes],
        stderr: b"short".to_vec(),
        truncated: true,
    };
    for (returns, expected) in [(ProcessReturn::Stderr, json!("short")), (ProcessReturn::Code, json!(0))] {
        assert_eq!(fixed(returns, Ok(cut.clone())).await, Ok(expected));
    }
    for returns in [ProcessReturn::Stdout, ProcessReturn::All] {
        let error = fixed(returns, Ok(cut.clone())).await.unwrap_err();
        assert!(error.detail.unwrap().contains("more than the limit of 1048576 bytes"));
    }
}

#[tokio::test]
async fn the_wall_time_is_in_the_error() {
    let limits = Limits { wall: Duration::from_millis(1500), ..Limits::default() };
    let error = output(ProcessReturn::Code, &ended(End::Limit(Limit::Wall), "half"), &limits).unwrap_err();
    assert_eq!(
        error.detail.as_deref(),
        Some("OC-SBX-006: the process was killed, it passed its limit on time: 1.5 s: half")
    );
}
