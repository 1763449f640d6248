//! One address, in every way in which a URL can write it.

use crate::resolver::Told;

use std::sync::Arc;

/// URLs that lead to this machine or to a metadata service, if nobody stops them. `PORT` is the canary's.
pub(crate) const FORMS: &[&str] = &[
    // As it is.
    "http://127.0.0.1:PORT/",
    "http://127.0.0.1.:PORT/",
    "http://127.127.127.127:PORT/",
    "HTTP://127.0.0.1:PORT",
    // Short, decimal, octal, hexadecimal, and mixed.
    "http://127.1:PORT/",
    "http://127.0.1:PORT/",
    "http://2130706433:PORT/",
    "http://0x7f000001:PORT/",
    "http://0X7F000001:PORT/",
    "http://017700000001:PORT/",
    "http://0x7f.1:PORT/",
    "http://0177.0.0.1:PORT/",
    "http://0x7f.0x0.0x0.0x1:PORT/",
    "http://0177.0000.0000.0001:PORT/",
    "http://0x7f.0.1:PORT/",
    "http://127.0x0.0.1:PORT/",
    "http://000000177.0.0.1:PORT/",
    // No address is this machine.
    "http://0.0.0.0:PORT/",
    "http://0:PORT/",
    "http://0x0:PORT/",
    "http://00.0.0:PORT/",
    "http://[::]:PORT/",
    // IPv6, and IPv4 inside it.
    "http://[::1]:PORT/",
    "http://[0:0:0:0:0:0:0:1]:PORT/",
    "http://[0000:0000:0000:0000:0000:0000:0000:0001]:PORT/",
    "http://[0::0:1]:PORT/",
    "http://[::ffff:127.0.0.1]:PORT/",
    "http://[::ffff:7f00:1]:PORT/",
    "http://[0:0:0:0:0:ffff:127.0.0.1]:PORT/",
    "http://[::FFFF:7F00:0001]:PORT/",
    "http://[::127.0.0.1]:PORT/",
    "http://[::ffff:0:127.0.0.1]:PORT/",
    "http://[64:ff9b::127.0.0.1]:PORT/",
    "http://[2002:7f00:1::]:PORT/",
    "http://[::ffff:0.0.0.0]:PORT/",
    // Percent-encoded, and in other digits, letters and dots.
    "http://%31%32%37.0.0.1:PORT/",
    "http://127%2e0%2e0%2e1:PORT/",
    "http://%6c%6f%63alhost:PORT/",
    "http://１２７.０.０.１:PORT/",
    "http://①②⑦.⓪.⓪.①:PORT/",
    "http://127。0。0。1:PORT/",
    "http://127．0．0．1:PORT/",
    "http://ｌｏｃａｌｈｏｓｔ:PORT/",
    "http://ⓛⓞⓒⓐⓛⓗⓞⓢⓣ:PORT/",
    "http://loc\u{ad}alhost:PORT/",
    // Names.
    "http://localhost:PORT/",
    "http://LocalHost:PORT/",
    "http://localhost.:PORT/",
    "http://here.example:PORT/",
    "http://here6.example:PORT/",
    "http://mapped.example:PORT/",
    "http://translated.example:PORT/",
    "http://several.example:PORT/",
    // A host that looks like another part, and the other way round.
    "http://user@127.0.0.1:PORT/",
    "http://user:password@localhost:PORT/",
    "http://public.example@127.0.0.1:PORT/",
    "http://public.example:80@127.0.0.1:PORT/",
    "http://public.example%40127.0.0.1:PORT/",
    "http://127.0.0.1:PORT#@public.example/",
    "http://127.0.0.1:PORT?@public.example/",
    "http://127.0.0.1:PORT\\@public.example/",
    "http:///127.0.0.1:PORT/",
    "http:127.0.0.1:PORT/",
    "http:\\\\127.0.0.1:PORT/",
    "http://127.0.\n0.1:PORT/",
    "http://127.0.0.1\t:PORT/",
    // Metadata services.
    "http://169.254.169.254/latest/meta-data/",
    "http://2852039166/latest/meta-data/",
    "http://0xa9fea9fe/",
    "http://[::ffff:169.254.169.254]/",
    "http://[fd00:ec2::254]/latest/meta-data/",
    "http://[fe80::a9fe:a9fe]/",
    "http://metadata.example/computeMetadata/v1/",
    "http://100.100.100.200/latest/meta-data/",
];

/// Knows the names of [`FORMS`].
pub(crate) fn resolver() -> Arc<Told> {
    Told::new(&[
        ("localhost", &[&["::1", "127.0.0.1"]]),
        ("here.example", &[&["127.0.0.1"]]),
        ("here6.example", &[&["::1"]]),
        ("mapped.example", &[&["::ffff:127.0.0.1"]]),
        ("translated.example", &[&["64:ff9b::7f00:1"]]),
        ("several.example", &[&["10.0.0.1", "127.0.0.1"]]),
        ("metadata.example", &[&["169.254.169.254"]]),
    ])
}
