//! `openclaw workflow graph`.

use super::workflow;

#[tokio::test]
async fn the_chart_of_a_workflow_is_printed() {
    let finished = workflow(&["graph", "examples/support-session/triage.yaml"], None).await.succeeded();
    let mut lines = finished.stdout.lines();
    assert_eq!(lines.next(), Some("%% examples/support-triage:1.0.0"));
    assert_eq!(lines.next(), Some("flowchart TD"));
    for part in [
        "[[\"open<br/>call session.create\"]]",
        "{\"triage<br/>switch\"}",
        "{{\"each text in .messages\"}}",
        "-->|\"normal\"|",
        "--> done",
    ] {
        assert!(finished.stdout.contains(part), "{part}: {}", finished.stdout);
    }
    assert_eq!(finished.stderr, "");
}

#[tokio::test]
async fn a_document_with_errors_is_not_drawn() {
    let finished = workflow(&["graph", "-"], Some("do: 5\n")).await;
    assert_eq!((finished.code, finished.stdout.as_str()), (Some(1), ""), "{finished:?}");
    assert!(
        finished.stderr.contains("OC-WF-011") && finished.stderr.contains("--> standard input:1:"),
        "{finished:?}"
    );
}
