//! Tokens, users, refusals.

use openclaw_model::{
    Digest, Event, Timestamp,
    access::{Grants, Role},
    event::{AuditEvent, TokenEvent, UserEvent, audit::*, token::*, user::*},
};

pub(crate) fn types() -> Vec<&'static str> {
    [TokenEvent::TYPES, UserEvent::TYPES, &["audit.denied", "audit.login_failed"]].concat()
}

pub(crate) fn samples() -> Vec<(&'static str, Event)> {
    let at = Timestamp::from_micros(1_794_000_000_123_456);
    let address = || Some("192.0.2.7".to_owned());
    let grants =
        |scopes: &[&str]| Grants(scopes.iter().map(|scope| scope.parse().expect("a scope")).collect());
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let password = "$argon2id$v=19$m=19456,t=2,p=1$AAECAwQFBgcICQoLDA0ODw$\
        Hx4dHBsaGRgXFhUUExIREA8ODQwLCgkIBwYFBAMCAQA"
        .to_owned();
    let session = Digest([0x4d; 32]);
    vec![
        (
            "",
            TokenEvent::Issued(TokenIssued {
                hash: Digest([0xab; 32]),
                grants: grants(&["query", "command:run@team-a", "vouch"]),
                expires: Some(at),
            })
            .into(),
        ),
        ("", TokenEvent::Revoked(TokenRevoked { reason: Some("it was in a public log".into()) }).into()),
        ("", TokenEvent::Seen(TokenSeen { address: address() }).into()),
        (
            "",
            UserEvent::Added(UserAdded {
                role: Role::Operator,
                namespaces: names(&["team-a", "team-b"]),
                groups: names(&["finance"]),
                password: password.clone(),
            })
            .into(),
        ),
        (
            "",
            UserEvent::Changed(UserChanged {
                role: Role::Auditor,
                namespaces: names(&["team-a"]),
                groups: names(&["finance"]),
            })
            .into(),
        ),
        ("", UserEvent::PasswordChanged(UserPasswordChanged { password }).into()),
        ("", UserEvent::Removed(UserRemoved {}).into()),
        ("", UserEvent::LoggedIn(UserLoggedIn { session, expires: at, address: address() }).into()),
        ("", UserEvent::LoggedOut(UserLoggedOut { session }).into()),
        (
            "",
            AuditEvent::Denied(AuditDenied {
                caller: "token:ci".into(),
                what: "run.kill".into(),
                needs: "command:run.kill".into(),
                count: 3,
            })
            .into(),
        ),
        (
            "",
            AuditEvent::LoginFailed(AuditLoginFailed {
                user: Some("ada".into()),
                address: address(),
                count: 2,
            })
            .into(),
        ),
    ]
}
