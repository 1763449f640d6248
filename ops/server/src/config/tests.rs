use std::io::Write;

use super::*;

fn file(text: &str) -> tempfile::NamedTempFile {
    let mut file = tempfile::NamedTempFile::new().expect("a temporary file");
    file.write_all(text.as_bytes()).expect("written");
    file
}

fn refusal(text: &str) -> String {
    let file = file(text);
    Config::load(Some(file.path()), &Environment::default(), &[]).expect_err(text).to_string()
}

#[test]
fn each_layer_overrides_the_one_below_it() {
    let file = file("[server]\nlisten = \"127.0.0.1:1\"\nmax_connections = 11\nheader_time = \"3s\"\n");
    let environment = Environment::of([
        ("OPENCLAW_SERVER__LISTEN", "127.0.0.1:2"),
        ("OPENCLAW_SERVER__MAX_CONNECTIONS", "22"),
        ("OPENCLAW_SERVER__ALLOWED_HOSTS", "[\"a.example\", \"b.example:80\"]"),
        ("OPENCLAW_URL", "http://not.a.setting"),
        ("HOME", "/home/ada"),
    ]);
    let flags = [Override::flag("--listen", "server.listen", "127.0.0.1:3")];

    let none = Config::load(None, &Environment::default(), &[]).unwrap();
    assert_eq!((none.server.listen.as_str(), none.server.max_connections), ("127.0.0.1:7710", 1024));

    let all = Config::load(Some(file.path()), &environment, &flags).unwrap();
    assert_eq!((all.server.listen.as_str(), all.server.max_connections), ("127.0.0.1:3", 22));
    assert_eq!(all.server.header_time.to_string(), "3s");
    assert_eq!(all.server.allowed_hosts, ["a.example", "b.example:80"]);
    assert_eq!(all.data, Path::new("/home/ada/.local/share/openclaw"));
}

#[test]
fn data_lies_where_the_desktop_specification_says() {
    let data = |environment: Environment| environment.default_data();
    assert_eq!(data(Environment::of([("XDG_DATA_HOME", "/x"), ("HOME", "/h")])), Path::new("/x/openclaw"));
    assert_eq!(
        data(Environment::of([("XDG_DATA_HOME", "rel"), ("HOME", "/h")])),
        Path::new("/h/.local/share/openclaw")
    );
    assert_eq!(data(Environment::of([("XDG_DATA_HOME", ""), ("HOME", "")])), Path::new("openclaw-data"));
}

#[test]
fn unknown_keys_and_wrong_values_are_refused_with_their_path_and_source() {
    let error = refusal("[server]\nlisen = \"x\"\n");
    assert!(error.contains("OC-CFG-002") && error.contains("`server.lisen`"), "{error}");
    let error = refusal("[sever]\nlisten = \"x\"\n");
    assert!(error.contains("`sever`"), "{error}");
    let error = refusal("[log]\nsegment_events = \"many\"\n");
    assert!(error.contains("`log.segment_events`"), "{error}");
    let error = refusal("[server]\nbody_time = \"soon\"\n");
    assert!(error.contains("`server.body_time`") && error.contains("10s"), "{error}");
    let error = refusal("[sandbox]\nlevel = \"lax\"\n");
    assert!(error.contains("`sandbox.level`"), "{error}");
    let error = refusal("[limits]\nbatch = 0\n");
    assert!(error.contains("`limits.batch`"), "{error}");
    assert!(refusal("not toml").contains("OC-CFG-002"));

    let environment = Environment::of([("OPENCLAW_SERVER__LISEN", "x")]);
    let error = Config::load(None, &environment, &[]).unwrap_err().to_string();
    assert!(error.contains("`server.lisen`") && error.contains("OPENCLAW_SERVER__LISEN"), "{error}");

    let error = Config::load(Some(Path::new("/no/such/file")), &Environment::default(), &[]).unwrap_err();
    assert!(error.to_string().contains("OC-CFG-001"), "{error}");
}

#[test]
fn what_is_printed_gives_the_same_configuration_again() {
    let environment = Environment::of([
        ("OPENCLAW_SERVER__ALLOWED_HOSTS", "[\"a.example\"]"),
        ("OPENCLAW_PROJECTION__DIRECTORY", "/fast/disk"),
        ("OPENCLAW_SANDBOX__WALL", "90s"),
        ("HOME", "/home/ada"),
    ]);
    let config = Config::load(None, &environment, &[]).unwrap();
    let printed = file(&config.to_toml());
    let again = Config::load(Some(printed.path()), &Environment::default(), &[]).unwrap();
    assert_eq!(Config { given: config.given.clone(), ..again }, config);
}

#[test]
fn secrets_of_the_environment_are_no_settings_and_are_printed_nowhere() {
    let environment =
        Environment::of([("OPENCLAW_SECRET_A__B", "s3cret"), ("DOCKER_HOST", "unix:///x"), ("OTHER", "1")]);
    let config = Config::load(None, &environment, &[]).unwrap();
    assert_eq!(config.given.secrets.get("A__B").map(String::as_str), Some("s3cret"));
    assert_eq!(config.given.engine.keys().collect::<Vec<_>>(), ["DOCKER_HOST", "PATH"]);
    assert!(!format!("{config:?}{environment:?}{}", config.to_toml()).contains("s3cret"));
}

#[test]
fn destinations_are_read_from_every_layer_and_a_list_that_allows_everything_is_refused() {
    let file = file(
        "[egress]\nallow_private = [\"10.0.0.0/8:5432\"]\ndeny = [\"*.evil.example:*\"]\n\
         [[egress.credentials]]\ncredential = \"api/key\"\ndestination = \"api.example.com:443\"\n",
    );
    let config = Config::load(Some(file.path()), &Environment::default(), &[]).unwrap();
    assert_eq!(config.egress.allow_private[0].to_string(), "10.0.0.0/8:5432");
    let (destination, injection) = config.egress.injections().unwrap().remove(0);
    assert_eq!(
        (destination.to_string().as_str(), injection.credential()),
        ("api.example.com:443", "api/key")
    );

    let flag = Override::list("--allow-private-egress", "egress.allow_private", &["[::1]:*".into()]);
    let environment = Environment::of([("OPENCLAW_EGRESS__ALLOW", "[\"a.example:443\"]")]);
    let config = Config::load(Some(file.path()), &environment, &[flag]).unwrap();
    let shown =
        |list: &[openclaw_egress::Destination]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(shown(&config.egress.allow_private), ["[::1]:*"], "a flag replaces the list of the file");
    assert_eq!(shown(&config.egress.allow), ["a.example:443"]);

    for (text, part) in [
        ("[egress]\nallow_private = [\"*:80\"]\n", "`egress.allow_private`"),
        ("[egress]\nallow_private = [\"localhost\"]\n", "OC-EGR-002"),
        ("[egress]\ndeny = [\"::1:80\"]\n", "OC-EGR-002"),
        ("[egress]\ntool_bytes = 0\n", "`egress.tool_bytes`"),
        (
            "[[egress.credentials]]\ncredential = \"a\"\ndestination = \"b:1\"\nformat = \"x\"\n",
            "`egress.credentials`",
        ),
    ] {
        let error = refusal(text);
        assert!(error.contains("OC-CFG-002") && error.contains(part), "{text}: {error}");
    }
}
