//! Every decoder that reads bytes of somebody else, as a function over bytes.
//!
//! A target panics when what its reader promises does not hold; that it returns at all, in bounded time and memory, is
//! the other half of the promise. `corpus/TARGET/` holds inputs that are worth keeping: real ones, and each that once
//! broke something. Two things run over them: the test of this crate, with some thousand seeded mutations on the stable
//! compiler, and libFuzzer through `cargo-fuzz/` (`ops/fuzz SECONDS`).

mod mutate;
mod targets;

pub use mutate::Mutator;

/// A reader of foreign bytes.
#[derive(Clone, Copy)]
pub struct Target {
    /// Name of its corpus.
    pub name: &'static str,
    /// Reads the bytes.
    pub run: fn(&[u8]),
    /// How many mutations the test tries. Fewer of what costs more.
    pub mutations: u32,
}

macro_rules! targets {
    ($($name:ident = $mutations:literal;)*) => {
        /// All of them.
        pub const TARGETS: &[Target] = &[$(
            Target { name: stringify!($name), run: targets::$name, mutations: $mutations },
        )*];
    };
}

targets! {
    rpc = 30_000;
    cloudevents = 30_000;
    graphql = 6_000;
    graphql_ws = 30_000;
    cursor = 60_000;
    workflow_yaml = 1_500;
    workflow_json = 15_000;
    expression = 8_000;
    template = 15_000;
    frame = 60_000;
    record = 60_000;
    sealed = 40_000;
    event = 40_000;
    sandbox = 30_000;
    vault = 60_000;
    destination = 40_000;
    handle = 60_000;
}

/// Runs the target of a name. For libFuzzer.
///
/// # Panics
/// When there is none; and when the target does.
pub fn run(name: &str, bytes: &[u8]) {
    let target = TARGETS.iter().find(|target| target.name == name).expect("a target of this name");
    (target.run)(bytes);
}
