use std::time::Duration;

use proptest::prelude::*;

use super::*;

fn level() -> impl Strategy<Value = Level> {
    prop_oneof![Just(Level::None), Just(Level::Confined), Just(Level::Relaxed), Just(Level::Strict)]
}

fn paths() -> impl Strategy<Value = Vec<PathBuf>> {
    let path = prop_oneof!["/a", "/a/b", "/a/b/c", "/ab", "/d", "/a/../e"].prop_map(PathBuf::from);
    prop::collection::vec(path, 0..3)
}

fn names() -> impl Strategy<Value = Names> {
    let name = prop_oneof!["\\*", "A", "AB", "A\\*", "AB\\*", "B"];
    prop::collection::btree_set(name, 0..3).prop_map(Names)
}

fn network() -> impl Strategy<Value = Vec<Destination>> {
    let text =
        prop_oneof!["\\*:\\*", "a\\.b:1", "a\\.b:\\*", "\\*\\.b:1", "\\*\\.b:2", "\\*\\.a\\.b:1", "b:1"];
    prop::collection::vec(text.prop_map(|text| text.parse().unwrap()), 0..3)
}

fn policy() -> impl Strategy<Value = Policy> {
    let limits = prop::array::uniform9(0_u64..3).prop_map(|values| Limits {
        wall: Duration::from_secs(values[0]),
        cpu_seconds: values[1],
        memory_bytes: values[2],
        processes: values[3],
        file_bytes: values[4],
        open_files: values[5],
        output_bytes: usize::try_from(values[6]).unwrap(),
        workspace_bytes: values[7],
        workspace_files: values[8],
    });
    (level(), paths(), paths(), names(), network(), prop_oneof![Just(Limits::default()), limits]).prop_map(
        |(level, readable, writable, environment, network, limits)| Policy {
            level,
            readable,
            writable,
            environment,
            network,
            limits,
        },
    )
}

/// Everything a process could try, and whether a policy lets it, said apart from `within`.
fn allows(policy: &Policy) -> Vec<bool> {
    let below = |paths: &[PathBuf], path: &str| paths.iter().any(|each| Path::new(path).starts_with(each));
    let mut all = Vec::new();
    for level in [Level::None, Level::Confined, Level::Relaxed] {
        all.push(policy.level <= level);
    }
    for path in ["/a", "/a/x", "/a/b", "/a/b/c/d", "/ab", "/d/e", "/e"] {
        all.push(below(&policy.readable, path) || below(&policy.writable, path));
        all.push(below(&policy.writable, path));
    }
    all.extend(["A", "AB", "ABC", "B", "C"].map(|name| policy.environment.has(name)));
    for host in ["a.b", "x.a.b", "b", "c"] {
        for port in [1, 2, 3] {
            all.push(policy.network.iter().any(|each| each.matches(host, port)));
        }
    }
    for (_, value) in policy.limits.values() {
        all.extend((0..3).map(|used| used < value));
    }
    all
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    /// A policy within another lets nothing through that the other does not.
    #[test]
    fn what_is_within_a_policy_can_do_nothing_that_it_could_not(child in policy(), parent in policy()) {
        if child.within(&parent).is_ok() {
            for (index, (child, parent)) in allows(&child).into_iter().zip(allows(&parent)).enumerate() {
                prop_assert!(!child || parent, "attempt {index}");
            }
        }
    }

    /// And it is a partial order: each policy without `..` is within itself, and within what its parent is within.
    #[test]
    fn within_is_transitive(a in policy(), b in policy(), c in policy()) {
        if a.within(&b).is_ok() && b.within(&c).is_ok() {
            prop_assert_eq!(a.within(&c), Ok(()));
        }
    }
}

fn base() -> Policy {
    Policy {
        level: Level::Relaxed,
        readable: vec!["/srv/data".into()],
        writable: vec!["/srv/cache".into()],
        environment: Names(["LANG", "APP_*"].map(String::from).into()),
        network: vec!["*.example.com:443".parse().unwrap()],
        limits: Limits::default(),
    }
}

#[test]
fn a_policy_is_within_itself_and_a_narrower_one_within_it() {
    assert_eq!(base().within(&base()), Ok(()));
    let narrow = Policy {
        level: Level::Strict,
        readable: vec!["/srv/data/a".into(), "/srv/cache/b".into()],
        writable: vec![],
        environment: Names(["APP_X", "APP_Y*"].map(String::from).into()),
        network: vec!["api.example.com:443".parse().unwrap()],
        limits: Limits { memory_bytes: 1, wall: Duration::from_millis(1), ..Limits::default() },
    };
    assert_eq!(narrow.within(&base()), Ok(()));
    assert!(base().within(&narrow).is_err());
}

type Widening = fn(&mut Policy);

/// One part is made wider at a time, and that part is named.
#[test]
fn each_part_that_is_wider_is_found_and_named() {
    let wide: [(&str, Widening); 13] = [
        ("level", |policy| policy.level = Level::Confined),
        ("readable", |policy| policy.readable.push("/srv".into())),
        ("readable", |policy| policy.readable.push("/srv/data/../secret".into())),
        ("writable", |policy| policy.writable.push("/srv/data".into())),
        ("environment", |policy| policy.environment = Names::default()),
        ("network", |policy| policy.network.push("*.com:443".parse().unwrap())),
        ("wall", |policy| policy.limits.wall += Duration::from_millis(1)),
        ("cpu_seconds", |policy| policy.limits.cpu_seconds += 1),
        ("memory_bytes", |policy| policy.limits.memory_bytes += 1),
        ("processes", |policy| policy.limits.processes += 1),
        ("open_files", |policy| policy.limits.open_files += 1),
        ("output_bytes", |policy| policy.limits.output_bytes += 1),
        ("workspace_files", |policy| policy.limits.workspace_files += 1),
    ];
    for (field, widen) in wide {
        let mut policy = base();
        widen(&mut policy);
        assert_eq!(policy.within(&base()).unwrap_err().field, field);
    }
}

#[test]
fn the_words_say_what_was_asked_and_what_is_allowed() {
    let mut policy = base();
    policy.limits.memory_bytes = 1 << 30;
    let wider = policy.within(&base()).unwrap_err().to_string();
    assert_eq!(wider, "memory_bytes: 1073741824 bytes is more than 536870912 bytes");
}
