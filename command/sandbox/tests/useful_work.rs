//! A sandbox that denies everything is no sandbox: ordinary work goes through, and is reported as it was.

mod support;

use std::{fs, os::unix::fs::MetadataExt, time::Duration};

use openclaw_ports::{
    Sandbox,
    sandbox::{End, Error, Level},
};
use openclaw_sandbox::{Backend, Config, Machine, which};
use support::{run, sandbox, shell, strict, text};
use tokio_util::sync::CancellationToken;

const ALL: [Level; 3] = [Level::None, Level::Relaxed, Level::Strict];

#[tokio::test]
async fn trying_finds_a_working_sandbox() {
    let scratch = tempfile::tempdir().unwrap();
    let machine = Machine::new(Config { scratch: scratch.path().into(), ..support::config() });
    let found = machine.in_force().await;
    assert_eq!((found.backend, found.level, &found.reason), (Backend::Bubblewrap, Level::Strict, &None));
    assert_eq!(fs::read_dir(scratch.path()).unwrap().count(), 0, "the probe leaves nothing behind");
}

#[tokio::test]
async fn output_exit_code_and_working_directory_are_the_programs() {
    for level in ALL {
        let workspace = tempfile::tempdir().unwrap();
        let mut job = shell("pwd; echo to stderr >&2; exit 37", workspace.path());
        job.policy.level = level;
        let outcome = run(job).await.unwrap();
        let expected = fs::canonicalize(workspace.path()).unwrap();
        assert_eq!(outcome.end, End::Exited(37), "{level:?}");
        assert_eq!(String::from_utf8(outcome.stdout).unwrap(), format!("{}\n", expected.display()));
        assert_eq!(outcome.stderr, b"to stderr\n");
        assert!(!outcome.truncated);
    }
}

#[tokio::test]
async fn a_signal_is_reported_as_that_signal() {
    for level in ALL {
        let workspace = tempfile::tempdir().unwrap();
        let mut job = shell("kill -SEGV $$", workspace.path());
        job.policy.level = level;
        assert_eq!(run(job).await.unwrap().end, End::Signalled(11), "{level:?}");
    }
}

#[tokio::test]
async fn standard_input_arrives_whole_and_ends() {
    let input: Vec<u8> = (0..=255_u8).cycle().take(3 << 20).collect();
    for level in ALL {
        let workspace = tempfile::tempdir().unwrap();
        let mut job = shell("cat > copy; wc -c < copy", workspace.path());
        job.policy.level = level;
        job.stdin = Some(input.clone());
        let outcome = run(job).await.unwrap();
        assert_eq!(text(&outcome).trim(), input.len().to_string(), "{level:?}");
        assert!(fs::read(workspace.path().join("copy")).unwrap() == input, "{level:?}");
    }
    assert_eq!(strict("cat; echo end").await.1, "end\n", "no input is an empty input");
}

#[tokio::test]
async fn arguments_and_environment_arrive_unchanged() {
    for level in ALL {
        let workspace = tempfile::tempdir().unwrap();
        let mut job = shell(r#"printf '%s|' "$@"; printf '%s' "$VALUE""#, workspace.path());
        job.policy.level = level;
        job.command.extend(["sh", "grüß dich", "", "--share-net", "$(id)\n", "日本"].map(Into::into));
        job.environment.insert("VALUE".into(), "zwei\nZeilen = ✓".into());
        let outcome = run(job).await.unwrap();
        assert_eq!(text(&outcome), "grüß dich||--share-net|$(id)\n|日本|zwei\nZeilen = ✓", "{level:?}");
    }
}

#[tokio::test]
async fn the_environment_is_the_jobs_and_no_more() {
    let (_, environment) = strict("env").await;
    let mut names: Vec<_> =
        environment.lines().filter_map(|line| line.split_once('=')).map(|(name, _)| name).collect();
    names.sort_unstable();
    assert_eq!(names, ["PATH", "PWD"]);
}

#[tokio::test]
async fn files_written_in_the_workspace_stay() {
    let workspace = tempfile::tempdir().unwrap();
    let outcome = run(shell("mkdir -p a/b && echo kept > a/b/c && echo gone > /tmp/x", workspace.path()))
        .await
        .unwrap();
    assert_eq!(outcome.end, End::Exited(0), "{}", text(&outcome));
    let kept = workspace.path().join("a/b/c");
    assert_eq!(fs::read_to_string(&kept).unwrap(), "kept\n");
    assert_eq!(fs::metadata(kept).unwrap().mode() & 0o077, 0, "nobody else may read it");
}

#[tokio::test]
async fn a_workspace_below_a_closed_directory_works() {
    let top = tempfile::tempdir().unwrap();
    let workspace = top.path().join("data/runs/1");
    fs::create_dir_all(&workspace).unwrap();
    fs::write(top.path().join("data/secret"), "secret").unwrap();
    let closed = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    fs::set_permissions(top.path(), closed).unwrap();
    let outcome = run(shell("echo 1 > here; pwd; ls ..; cat ../../secret", &workspace)).await.unwrap();
    let expected = fs::canonicalize(&workspace).unwrap();
    assert!(text(&outcome).starts_with(&format!("{}\n1\n", expected.display())), "{}", text(&outcome));
    assert!(!text(&outcome).contains("secret\n"), "{}", text(&outcome));
    assert_eq!(fs::read_to_string(workspace.join("here")).unwrap(), "1\n");
}

#[tokio::test]
async fn interpreters_with_threads_and_children_run() {
    if which("python3").is_some() {
        let script = "import threading, subprocess\n\
             t = threading.Thread(target=lambda: print(subprocess.check_output(['echo', 'py'])))\n\
             t.start(); t.join()";
        let (outcome, text) = strict(&format!("python3 -c \"{script}\"")).await;
        assert_eq!((outcome.end, text.trim()), (End::Exited(0), "b'py\\n'"));
    }
    if which("node").is_some() {
        let (outcome, text) =
            strict("node -e 'setTimeout(() => console.log(process.argv.length, 1n << 70n), 5)'").await;
        assert_eq!((outcome.end, text.trim()), (End::Exited(0), "1 1180591620717411303424n"));
    }
}

#[tokio::test]
async fn a_program_of_the_workspace_runs_and_one_that_is_none_is_no_program() {
    let workspace = tempfile::tempdir().unwrap();
    let tool = workspace.path().join("tool");
    fs::write(&tool, "#!/bin/sh\necho ran \"$@\"\n").unwrap();
    let mut job = shell("", workspace.path());
    job.command = vec!["./tool".into(), "once".into()];
    let missing_permission = run(job.clone()).await;
    assert_eq!(missing_permission, Err(Error::NoProgram("./tool".into())));
    let runnable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    fs::set_permissions(&tool, runnable).unwrap();
    assert_eq!(text(&run(job).await.unwrap()), "ran once\n");
}

#[tokio::test]
async fn a_missing_program_and_a_missing_workspace_are_told_apart() {
    let workspace = tempfile::tempdir().unwrap();
    for level in ALL {
        let mut job = shell("true", workspace.path());
        job.policy.level = level;
        job.command = vec!["no-such-program".into()];
        assert_eq!(run(job.clone()).await, Err(Error::NoProgram("no-such-program".into())));
        job.command = vec!["true".into()];
        job.workspace = workspace.path().join("missing");
        assert!(matches!(run(job).await, Err(Error::Refused(_))));
    }
}

#[tokio::test]
async fn without_bubblewrap_nothing_runs() {
    let workspace = tempfile::tempdir().unwrap();
    for bwrap in ["/nonexistent/bwrap", "/bin/false"] {
        let sandbox = Machine::new(Config { bwrap: Some(bwrap.into()), ..support::config() });
        for level in [Level::Strict, Level::Relaxed] {
            let mut job = shell("touch ran", workspace.path());
            job.policy.level = level;
            let result = sandbox.run(job, CancellationToken::new()).await;
            assert!(matches!(result, Err(Error::Level { .. })), "{bwrap}: {result:?}");
        }
    }
    assert!(!workspace.path().join("ran").exists());
}

#[tokio::test]
async fn many_sandboxes_at_once_do_not_share_the_limit_on_processes() {
    let sandbox = sandbox();
    let workspaces: Vec<_> = (0..12).map(|_| tempfile::tempdir().unwrap()).collect();
    let jobs = workspaces.iter().map(|workspace| {
        let mut job = shell("for i in 1 2 3 4 5 6 7 8; do sleep 1 & done; wait; echo fine", workspace.path());
        job.policy.limits.processes = 16;
        job.policy.limits.wall = Duration::from_secs(60);
        sandbox.run(job, CancellationToken::new())
    });
    for outcome in futures_util::future::join_all(jobs).await {
        assert_eq!(text(&outcome.unwrap()), "fine\n");
    }
}
