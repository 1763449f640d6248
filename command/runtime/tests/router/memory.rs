//! What a run costs that only waits.

use openclaw_runtime::OpenRuns;
use serde_json::json;

use crate::world::{World, listen};

/// Resident memory of this process, in bytes.
fn resident() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    let pages: u64 = pages.split_whitespace().nth(1).unwrap().parse().unwrap();
    pages * 4_096
}

/// A measurement: run it by name, alone.
#[tokio::test(start_paused = true)]
#[ignore = "measures the memory of the whole process"]
async fn ten_thousand_runs_that_wait_take_less_than_a_kilobyte_each() {
    const RUNS: usize = 10_000;
    let approval = json!({ "call": "approval", "with": { "title": "May I?" } });
    let kinds = [
        ("timers", json!({ "wait": { "hours": 100 } })),
        ("listeners", listen("t")),
        ("approvals", approval),
    ];
    for (what, task) in kinds {
        let world = World::new().await;
        for _ in 0..RUNS {
            world.run(json!([{ "w": task }])).await;
        }
        world.reached("run.task_started", RUNS).await;
        world.pass(10_000).await;
        let outside = world.stop().await;
        let path = outside.directory.path().join("open.json");
        // The first ones take what others have given back.
        let mut loaded = Vec::new();
        let mut before = 0;
        for copy in 0..200 {
            if copy == 100 {
                before = resident();
            }
            loaded.push(OpenRuns::load(&outside.log, &path).await.unwrap());
        }
        let each = resident().saturating_sub(before) / (100 * RUNS as u64);
        let file = std::fs::metadata(&path).unwrap().len() / RUNS as u64;
        std::io::Write::write_all(
            &mut std::io::stderr(),
            format!("{what}: {each} bytes of memory and {file} bytes of the file each\n").as_bytes(),
        )
        .unwrap();
        assert!(each < 1_024, "{what}: {each}");
        drop(loaded);
        let world = World::start(outside).await;
        world.pass(1_000).await;
        assert_eq!(world.number_of("run.completed").await, 0);
    }
}
