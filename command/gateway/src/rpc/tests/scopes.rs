//! Who may call what: every method against every kind of right.

use std::collections::{BTreeMap, BTreeSet};

use openclaw_model::access::{Need, Role};

use super::*;

/// What each method asks of its caller. A method that is not here fails the test, so that nobody adds one without
/// having thought of it.
fn needs() -> BTreeMap<&'static str, Need> {
    let commands = [
        "workflow.register",
        "workflow.validate",
        "workflow.retire",
        "run.start",
        "run.cancel",
        "run.signal",
        "run.kill",
        "run.pause",
        "run.resume",
        "run.retry",
        "run.fork",
        "effect.reconcile",
        "approval.decide",
        "event.publish",
        "schedule.pause",
        "schedule.resume",
        "webhook.register",
        "webhook.remove",
        "webhook.redrive",
        "webhook.drop",
        "session.create",
        "session.message",
        "session.set_state",
        "session.end",
    ];
    let admin = [
        "token.issue",
        "token.revoke",
        "token.list",
        "user.add",
        "user.change",
        "user.set_password",
        "user.remove",
        "user.list",
        "policy.set",
        "policy.remove",
    ];
    let audit = ["policy.get", "policy.test", "policy.replay"];
    let operate = [
        "credential.set",
        "credential.rotate",
        "credential.delete",
        "credential.list",
        "vault.status",
        "vault.init",
        "vault.unseal",
        "vault.seal",
        "vault.rotate_key",
        "vault.change_passphrase",
        "vault.new_recovery_key",
        "vault.export",
        "vault.import",
    ];
    let nothing = ["system.health", "system.version", "rpc.discover"];
    let mut needs: BTreeMap<_, _> = commands.into_iter().map(|name| (name, Need::Command(name))).collect();
    needs.extend(admin.into_iter().map(|name| (name, Need::Admin)));
    needs.extend(audit.into_iter().map(|name| (name, Need::Audit)));
    needs.extend(operate.into_iter().map(|name| (name, Need::Operate)));
    needs.extend(nothing.into_iter().map(|name| (name, Need::Nothing)));
    needs
}

/// Every kind of right, by a name for messages.
fn rights(methods: &BTreeMap<&'static str, Need>) -> Vec<(String, Grants)> {
    let families: BTreeSet<&str> = methods.keys().filter_map(|name| Some(name.split_once('.')?.0)).collect();
    let words = ["query", "audit", "operate", "admin", "vouch", "command:*", "*"];
    let texts = words
        .iter()
        .map(ToString::to_string)
        .chain(families.iter().map(|family| format!("command:{family}")))
        .chain(methods.keys().map(|method| format!("command:{method}")));
    let texts = texts.flat_map(|text| [text.clone(), format!("{text}@team-a")]);
    let scopes = texts.map(|text| (text.clone(), Grants([text.parse().expect("a scope")].into())));
    let namespaces = [BTreeSet::new(), BTreeSet::from(["team-a".to_owned()])];
    let roles = Role::ALL.iter().flat_map(|role| {
        namespaces.iter().map(|some| (format!("{} in {some:?}", role.as_str()), role.grants(some)))
    });
    [("nothing".to_owned(), Grants::default())].into_iter().chain(scopes).chain(roles).collect()
}

/// Whether somebody with `right` may do what asks for `need`, said anew, so that the code is not its own measure.
fn expected(right: &str, need: Need) -> bool {
    if let Some((role, _)) = right.split_once(" in ") {
        return match need {
            Need::Nothing => true,
            _ if role == "admin" => true,
            Need::Query => true,
            Need::Command(_) | Need::Operate => role == "operator",
            Need::Audit => role == "auditor",
            Need::Admin | Need::Vouch => false,
        };
    }
    let right = right.split('@').next().unwrap_or_default();
    match need {
        Need::Nothing => true,
        _ if right == "*" => true,
        Need::Command(_) if right == "command:*" => true,
        Need::Command(method) => right.strip_prefix("command:").is_some_and(|given| {
            given == method || method.split_once('.').is_some_and(|(family, _)| given == family)
        }),
        other => right == other.to_string(),
    }
}

#[tokio::test]
async fn every_method_is_for_those_who_have_the_right_and_for_nobody_else() {
    let rpc = Rpc::new(Fake::new(), Limits { in_flight: 1_000, ..Limits::default() });
    let document = value(rpc.openrpc().get());
    let registered: BTreeSet<&str> = document["methods"]
        .as_array()
        .unwrap()
        .iter()
        .map(|method| method["name"].as_str().unwrap())
        .collect();
    let needs = needs();
    let listed: BTreeSet<&str> = needs.keys().copied().collect();
    let unlisted: Vec<_> = registered.difference(&listed).collect();
    assert!(unlisted.is_empty(), "say here what these ask of their callers: {unlisted:?}");
    assert!(listed.is_subset(&registered), "these are gone: {:?}", listed.difference(&registered));

    let mut tried = 0;
    for (right, grants) in rights(&needs) {
        let caller = Caller { actor: Actor("token:test".into()), grants: Arc::new(grants), person: None };
        let router = rpc.router().layer(Extension(caller));
        for (method, need) in &needs {
            // Whoever may call it learns that the parameters are wrong; nothing happens.
            let (_, text) =
                post(&router, call(1, method, json!({ "no such parameter": 1 })).to_string()).await;
            let answer = value(&text);
            let code = answer["error"]["code"].as_i64();
            let allowed = expected(&right, *need);
            assert_eq!(code, Some(if allowed { -32602 } else { -32026 }), "{method} with {right}: {text}");
            if !allowed {
                assert_eq!(
                    answer["error"]["data"],
                    json!({ "code": "OC-ACC-001", "needs": need.to_string() })
                );
            }
            tried += 1;
        }
    }
    assert!(tried > 3_000, "{tried}");
}
