//! The helper's one loop: what it does while the tree runs.

use std::{io, os::fd::BorrowedFd};

use openclaw_ports::sandbox::Limit;
use rustix::{
    event::{PollFd, PollFlags, Timespec, poll},
    io::Errno,
    stdio,
};

use super::{egress::Forwarder, watchdog::Watchdog};

/// What ended the wait for a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wakeup {
    /// It ended.
    Ended,
    /// The server wants it to end, or is gone.
    Kill,
    /// The tree passed a limit.
    Passed(Limit),
}

/// Waits until the process behind `pidfd` has ended, the server has closed its half, or the tree has passed a limit.
/// Meanwhile `forwarder` takes connections out.
pub(super) fn wait_for(
    pidfd: BorrowedFd<'_>,
    mut watchdog: Option<Watchdog>,
    forwarder: &mut Forwarder,
) -> io::Result<Wakeup> {
    let server = stdio::stdin();
    loop {
        let pause = watchdog.as_ref().map(|watchdog| {
            let pause = watchdog.pause();
            // Rounded up: a look that comes too early does nothing.
            Timespec {
                tv_sec: 0,
                tv_nsec: i64::from(pause.subsec_nanos()).saturating_add(1).min(999_999_999),
            }
        });
        let mut all =
            vec![PollFd::new(&pidfd, PollFlags::IN), PollFd::new(&server, PollFlags::IN | PollFlags::RDHUP)];
        forwarder.register(&mut all);
        match poll(&mut all, pause.as_ref()) {
            Ok(_) if !all[0].revents().is_empty() => return Ok(Wakeup::Ended),
            Ok(_) if !all[1].revents().is_empty() => return Ok(Wakeup::Kill),
            Ok(0) | Err(Errno::INTR) => {}
            Ok(_) => {
                let ready: Vec<PollFlags> = all[2..].iter().map(PollFd::revents).collect();
                drop(all);
                forwarder.forward(&ready);
            }
            Err(error) => return Err(error.into()),
        }
        if let Some(limit) = watchdog.as_mut().and_then(Watchdog::look) {
            return Ok(Wakeup::Passed(limit));
        }
    }
}
