//! Attacks that no shell can make. Each says ESCAPED when it works; it runs inside, from a copy of this program.

use std::{
    fs::File,
    io::{self, Write},
    net::{Ipv4Addr, SocketAddr, TcpStream},
    os::unix::net::UnixStream,
    process::{Command, ExitCode},
    time::Duration,
};

use rustix::{
    net::{AddressFamily, SocketType, socket},
    process::{Pid, test_kill_process},
};

/// Families of sockets that lead past a network namespace, or into the kernel.
const FAMILIES: [(AddressFamily, SocketType); 4] = [
    (AddressFamily::PACKET, SocketType::RAW),
    (AddressFamily::VSOCK, SocketType::STREAM),
    (AddressFamily::INET, SocketType::RAW),
    (AddressFamily::NETLINK, SocketType::RAW),
];

/// Most files and processes that count as held to the limit.
const BOUND: usize = 1000;

/// Makes the attack `name` on `argument`.
pub(crate) fn attack(name: &str, argument: &str) -> ExitCode {
    let number = || argument.parse::<usize>().unwrap_or(0);
    let escaped = match name {
        "signal" => {
            argument.parse().ok().and_then(Pid::from_raw).is_some_and(|pid| test_kill_process(pid).is_ok())
        }
        "connect" => {
            let address = SocketAddr::from((Ipv4Addr::LOCALHOST, argument.parse().unwrap_or(0)));
            TcpStream::connect_timeout(&address, Duration::from_secs(1)).is_ok()
        }
        "sockets" => FAMILIES.into_iter().any(|(family, kind)| socket(family, kind, None).is_ok()),
        "unix" => UnixStream::connect(argument).is_ok(),
        "files" => {
            (0..number()).map_while(|_| File::open("/dev/null").ok()).collect::<Vec<_>>().len() > BOUND
        }
        "forks" => forks(number()),
        "memory" => {
            hold(number());
            false
        }
        _ => return ExitCode::from(2),
    };
    if escaped {
        let _ = writeln!(io::stdout(), "ESCAPED");
    }
    ExitCode::SUCCESS
}

/// Whether more than half of `count` processes can live at a time.
fn forks(count: usize) -> bool {
    let start = |_| Command::new("sleep").arg("20").spawn().ok();
    let mut children: Vec<_> = (0..count).map_while(start).collect();
    let alive = children.len();
    for child in &mut children {
        let _ = child.kill();
        let _ = child.wait();
    }
    alive > count / 2
}

/// Holds so many MiB for some seconds.
fn hold(mebibytes: usize) {
    let memory = vec![1_u8; mebibytes << 20];
    std::thread::sleep(Duration::from_secs(4));
    // Read again, so that it had to be kept.
    let _ = write!(io::sink(), "{}", memory.iter().step_by(4096).map(|byte| u64::from(*byte)).sum::<u64>());
}
