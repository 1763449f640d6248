//! Which programs are straight: the everyday ones are, and nothing that can run away is.

use crate::parse;

#[test]
fn everyday_expressions_are_evaluated_in_process() {
    for program in [
        ".",
        ".a.b[0].c",
        ".colors + [\"red\"]",
        "{ colors: (.processed.colors + [ $color ]), indexes: (.processed.indexes + [ $index ]) }",
        ".orderType == \"electronic\"",
        "$context + { lines: .lines }",
        "\"Hello \\(.user.firstName) \\(.user.lastName)!\"",
        ".count + 1",
        ".price * 1.2",
        ".n % 7 == 0 and (.ok | not)",
        "if .a > 3 then \"big\" elif .a then \"small\" else null end",
        ".a // \"none\"",
        ".a.b?",
        "(.name | ascii_downcase | startswith(\"a\")) or (.tags | length > 3)",
        ".items[2:5]",
        ".count += 1",
        ".a.b = 5",
        "$workflow.startedAt.epoch.milliseconds - .then",
        "try error(\"x\") catch .",
        ". as $x | $x.a + $x.b",
        ".path | split(\"/\") | last",
        "@base64 \"\\(.user):\\(.password)\"",
        "select(.a)",
        "has(\"a\")",
        "keys",
        "tojson",
        "empty",
    ] {
        assert!(parse(program).is_straight(), "{program}");
    }
}

#[test]
fn whatever_may_loop_multiply_or_search_goes_to_a_worker() {
    for program in [
        "repeat(.)",
        "[range(1e12)]",
        "last(range(1e12))",
        "def f: f; f",
        "def f: 1 + f; f",
        "\"x\" * 1e9",
        ". * .n",
        "reduce .[] as $x (.; . + .)",
        "[limit(1000000; repeat(1))]",
        "..",
        ".[]",
        "map(.)",
        "recurse",
        "walk(.)",
        "test(\"(a*)*b\")",
        "fromjson",
        "tonumber",
        "until(false; .)",
        "while(true; .)",
        "label $x | .",
        "foreach .[] as $x (0; .)",
        "implode",
        ".[$x]",
        ".[.a]",
        "has(.a)",
        "contains(.a)",
        "indices(.a)",
        "add",
        "join(\",\")",
        "group_by(.a)",
        "combinations",
        "path(..)",
        "getpath([\"a\"])",
        ".a |= map(.)",
        ".[] = 1",
        "@sh \"\\(.)\"",
        "-. * 1000000",
    ] {
        assert!(!parse(program).is_straight(), "{program}");
    }
}

#[test]
fn growth_is_found_however_it_is_built_up() {
    let doubled = ["[., .]"; 12].join(" | ");
    assert!(!parse(&format!("{doubled} | tojson")).is_straight());
    let bound = format!("{}.", ". as $x | [$x, $x] | ".repeat(12));
    assert!(!parse(&bound).is_straight());
    let quoted = format!(".{}", " | tojson".repeat(12));
    assert!(!parse(&quoted).is_straight());
    let outputs = ["(., .)"; 12].join(" | ");
    assert!(!parse(&format!("[{outputs}]")).is_straight());
    let caught = format!("{}(.a){}", "try ".repeat(20), " catch .".repeat(20));
    assert!(!parse(&caught).is_straight());
    assert!(!parse(&format!("[{}]", vec!["."; 300].join(", "))).is_straight());
    assert!(
        !parse(&format!("{{{}}}", (0..100).map(|n| format!("k{n}: 1")).collect::<Vec<_>>().join(", ")))
            .is_straight()
    );
}
