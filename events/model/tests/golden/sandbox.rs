//! What a task asks of the sandbox, as its intent keeps it.

use openclaw_model::{Event, event::run::*};

use crate::run::{intent, started};

pub(crate) fn samples() -> Vec<(&'static str, Event)> {
    let sandbox = SandboxRequest {
        level: Some(SandboxLevel::Relaxed),
        readable: vec!["/srv/models".into()],
        writable: vec!["/srv/out".into()],
        wall_ms: Some(600_000),
        cpu_seconds: Some(60),
        memory_bytes: Some(2 << 30),
        processes: Some(16),
        file_bytes: Some(1 << 20),
        open_files: Some(64),
        output_bytes: Some(4096),
        workspace_bytes: Some(1 << 30),
        workspace_files: Some(1000),
        secrets: vec!["token".into()],
        network: vec![NetworkRequest {
            destination: "api.example.com:443".into(),
            credential: Some("api/key".into()),
        }],
    };
    let request = Request::Process(ProcessRequest {
        program: Program::Shell { command: "./convert.sh".into() },
        stdin: None,
        arguments: Vec::new(),
        environment: [("TOKEN".to_owned(), "handle".to_owned())].into(),
        returns: ProcessReturn::Stdout,
        wait: true,
        sandbox: Some(Box::new(sandbox)),
    });
    vec![("-sandbox", started(10, TaskKind::Run, intent(request)))]
}
