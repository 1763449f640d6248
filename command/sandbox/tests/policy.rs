//! What a policy opens is open, and no more; and the one way out of level relaxed.

mod support;

use std::{
    fs,
    io::{Read, Write},
    os::unix::net::UnixListener,
};

use openclaw_ports::{
    Sandbox,
    sandbox::{End, Error, Level, Names},
};
use openclaw_sandbox::{Backend, Config, Machine};
use support::{config, run, shell, text};
use tokio_util::sync::CancellationToken;

fn open(path: &std::path::Path) {
    fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(0o777))
        .expect("a directory of the test");
}

#[tokio::test]
async fn places_that_a_policy_opens_can_be_read_and_written_and_others_cannot() {
    let outside = tempfile::tempdir().unwrap();
    open(outside.path());
    let places = ["readable", "writable", "closed"].map(|name| outside.path().join(name));
    for place in &places {
        fs::create_dir(place).unwrap();
        fs::write(place.join("file"), "text").unwrap();
        open(place);
    }
    let script = format!(
        "cd {}; for p in readable writable closed; do [ \"$(cat $p/file)\" = text ] && echo read $p; echo x > $p/new && echo wrote $p; done",
        outside.path().display()
    );
    for (level, backend) in [(Level::Strict, Backend::Auto), (Level::Confined, Backend::Confined)] {
        let machine = Machine::new(Config { backend, ..config() });
        let workspace = tempfile::tempdir().unwrap();
        let mut job = shell(&format!("({script}) 2> /dev/null"), workspace.path());
        job.policy.level = level;
        job.policy.readable = vec![places[0].clone()];
        job.policy.writable = vec![places[1].clone()];
        let outcome = machine.run(job, CancellationToken::new()).await.unwrap();
        assert_eq!(text(&outcome), "read readable\nread writable\nwrote writable\n", "{level}");
        let _ = fs::remove_file(places[1].join("new"));
    }
}

#[tokio::test]
async fn a_place_that_is_a_link_or_the_kernels_is_refused() {
    let outside = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink("/etc", outside.path().join("link")).unwrap();
    for place in [outside.path().join("link"), "/proc".into(), "/".into(), outside.path().join("missing")] {
        let workspace = tempfile::tempdir().unwrap();
        let mut job = shell("true", workspace.path());
        job.policy.readable = vec![place.clone()];
        assert!(matches!(run(job).await, Err(Error::Refused(_))), "{place:?}");
    }
}

#[tokio::test]
async fn an_environment_entry_that_the_policy_does_not_have_is_refused() {
    let workspace = tempfile::tempdir().unwrap();
    let mut job = shell("true", workspace.path());
    job.environment.insert("GIT_EXEC_PATH".into(), "/tmp".into());
    job.policy.environment = Names(["APP_*".to_owned()].into());
    assert!(matches!(run(job).await, Err(Error::Refused(_))));
}

#[tokio::test]
async fn a_job_for_confined_runs_at_the_stricter_level_that_there_is() {
    let workspace = tempfile::tempdir().unwrap();
    let mut job = shell("[ $$ -lt 20 ] && echo own ids", workspace.path());
    job.policy.level = Level::Confined;
    assert_eq!(text(&run(job).await.unwrap()), "own ids\n");
}

#[tokio::test]
async fn where_only_confined_is_reached_stricter_jobs_are_refused() {
    let machine = Machine::new(Config { backend: Backend::Confined, ..config() });
    for level in [Level::Strict, Level::Relaxed] {
        let workspace = tempfile::tempdir().unwrap();
        let mut job = shell("touch ran", workspace.path());
        job.policy.level = level;
        let refused = machine.run(job, CancellationToken::new()).await.unwrap_err();
        assert!(matches!(refused, Error::Level { reached: Level::Confined, .. }), "{refused}");
        assert_eq!(refused.code(), "OC-SBX-004");
        assert!(!workspace.path().join("ran").exists());
    }
}

/// A stand-in for the egress proxy: answers each connection with what it was sent, after a greeting.
fn proxy(path: &std::path::Path) -> std::thread::JoinHandle<usize> {
    let listener = UnixListener::bind(path).expect("the stand-in works");
    std::thread::spawn(move || {
        let mut served = 0;
        for stream in listener.incoming() {
            let mut stream = stream.expect("the stand-in works");
            let mut sent = Vec::new();
            stream.read_to_end(&mut sent).expect("the stand-in works");
            if sent == b"stop" {
                return served;
            }
            served += 1;
            stream.write_all(b"proxy:").expect("the stand-in works");
            stream.write_all(&sent).expect("the stand-in works");
        }
        served
    })
}

const CLIENT: &str = r#"
import os, socket, sys, threading
address = os.environ['HTTPS_PROXY'].removeprefix('http://').split(':')
assert os.environ['http_proxy'] == os.environ['ALL_PROXY'] == os.environ['HTTPS_PROXY'] and os.environ['NO_PROXY'] == ''
def call(size):
    s = socket.create_connection((address[0], int(address[1])), 10)
    t = threading.Thread(target=lambda: (s.sendall(b'x' * size), s.shutdown(socket.SHUT_WR)))
    t.start()
    got = b''
    while part := s.recv(65536): got += part
    t.join()
    assert got == b'proxy:' + b'x' * size, (size, len(got), got[:20])
for size in [0, 1, 100000, 3000000]: call(size)
all = [threading.Thread(target=call, args=(1000,)) for _ in range(30)]
[t.start() for t in all]; [t.join() for t in all]
print('fine')
"#;

#[tokio::test]
async fn at_relaxed_the_proxys_socket_is_the_one_way_out_and_strict_has_none() {
    if openclaw_sandbox::which("python3").is_none() {
        return;
    }
    let closed = tempfile::tempdir().unwrap();
    // As the server's own directory is: nobody else gets to the socket by its path.
    fs::set_permissions(closed.path(), std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    let socket = closed.path().join("egress");
    let served = proxy(&socket);
    let workspace = tempfile::tempdir().unwrap();
    fs::write(workspace.path().join("client.py"), CLIENT).unwrap();
    let script = format!(
        "python3 client.py; ls {} 2>&1 | grep -c egress; ls /proc/self/fd | wc -l",
        closed.path().display()
    );
    let mut job = shell(&script, workspace.path());
    job.policy.level = Level::Relaxed;
    job.egress = Some(socket.clone());
    let outcome = run(job.clone()).await.unwrap();
    assert_eq!((outcome.end, text(&outcome).as_str()), (End::Exited(0), "fine\n0\n4\n"));

    job.policy.level = Level::Strict;
    assert!(text(&run(job).await.unwrap()).contains("KeyError: 'HTTPS_PROXY'"));
    std::os::unix::net::UnixStream::connect(&socket).unwrap().write_all(b"stop").unwrap();
    assert_eq!(served.join().unwrap(), 34);
}

#[tokio::test]
async fn a_way_out_that_is_not_there_is_a_refusal() {
    let workspace = tempfile::tempdir().unwrap();
    let mut job = shell("true", workspace.path());
    job.policy.level = Level::Relaxed;
    job.egress = Some(workspace.path().join("missing"));
    assert!(matches!(run(job).await, Err(Error::Refused(_))));
}
