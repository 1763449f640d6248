//! What the figures were measured on. Without it they say nothing.

use std::{
    fs::{self, File},
    io::Write,
    path::Path,
};

use openclaw_ports::Clock;
use serde::Serialize;
use tokio::time::Instant;

use crate::{engine::WallClock, report::millis};

/// Appends of one sample of the disk.
const APPENDS: usize = 100;

/// The machine and the directory that is written to.
#[derive(Debug, Serialize)]
pub(crate) struct Machine {
    cores: usize,
    cpu: String,
    memory_gib: u64,
    kernel: String,
    filesystem: String,
    /// Processes that wanted to run in the minute before, on average. Above zero, others were measured as well.
    load: String,
    /// The day, in UTC.
    day: String,
}

impl Machine {
    /// Looks at this machine and at the file system of `dir`.
    ///
    /// # Errors
    /// When `dir` lies in memory, where a sync costs nothing and no ratio means anything.
    pub(crate) fn look(dir: &Path) -> anyhow::Result<Self> {
        let filesystem = match rustix::fs::statfs(dir)?.f_type as u64 & 0xffff_ffff {
            0xef53 => "ext4".to_owned(),
            0x5846_5342 => "xfs".to_owned(),
            0x9123_683e => "btrfs".to_owned(),
            0x0102_1994 => {
                anyhow::bail!("{} lies in memory; name a directory on a disk with --dir", dir.display())
            }
            other => format!("{other:#x}"),
        };
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        let after_colon = |text: &str, key| {
            let line = text.lines().find(|line| line.starts_with(key)).unwrap_or_default();
            line.split_once(':').map_or_else(String::new, |(_, value)| value.trim().to_owned())
        };
        let memory_kib = after_colon(&read("/proc/meminfo"), "MemTotal");
        Ok(Self {
            cores: std::thread::available_parallelism()?.get(),
            cpu: after_colon(&read("/proc/cpuinfo"), "model name"),
            memory_gib: memory_kib.trim_end_matches(" kB").parse::<u64>().unwrap_or_default() >> 20,
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            filesystem,
            load: load(),
            day: WallClock.now().to_string().chars().take(10).collect(),
        })
    }

    /// The day on which it was looked at.
    pub(crate) fn day(&self) -> &str {
        &self.day
    }

    /// In one line.
    pub(crate) fn line(&self) -> String {
        let Self { cores, cpu, memory_gib, kernel, filesystem, load, .. } = self;
        format!("{cores} cores of {cpu}, {memory_gib} GiB, Linux {kernel}, {filesystem}, load {load}")
    }
}

/// The load of the last minute.
pub(crate) fn load() -> String {
    let text = fs::read_to_string("/proc/loadavg").unwrap_or_default();
    text.split(' ').next().unwrap_or_default().to_owned()
}

/// Milliseconds that fdatasync took after appends of 1 KB to a file.
#[derive(Debug, Default)]
pub(crate) struct Fsyncs(Vec<f64>);

impl Fsyncs {
    /// Takes a sample in `dir`. Blocks for as long as a hundred syncs take.
    pub(crate) fn sample(&mut self, dir: &Path) -> std::io::Result<()> {
        let path = dir.join("fsync");
        let mut file = File::create(&path)?;
        for n in 0..APPENDS {
            file.write_all(&[n as u8; 1024])?;
            let started = Instant::now();
            file.sync_data()?;
            self.0.push(millis(started.elapsed()));
        }
        fs::remove_file(path)
    }

    /// The median of all samples, in milliseconds.
    pub(crate) fn p50(&self) -> f64 {
        crate::report::median(self.0.iter().copied())
    }

    /// The 99th percentile of all samples, in milliseconds.
    pub(crate) fn p99(&self) -> f64 {
        crate::report::quantile(self.0.iter().copied(), 0.99)
    }
}

/// Memory of a process that lies in RAM, in MB (of 1,000,000 bytes).
pub(crate) fn resident_mb(pid: u32) -> std::io::Result<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    let kib: f64 = line.trim().trim_end_matches(" kB").parse().unwrap_or_default();
    Ok(kib * 1024.0 / 1e6)
}

/// Bytes that a process has given to the disk since it was started.
pub(crate) fn written_bytes(pid: u32) -> std::io::Result<u64> {
    let io = fs::read_to_string(format!("/proc/{pid}/io"))?;
    let line = io.lines().find_map(|line| line.strip_prefix("write_bytes:")).unwrap_or_default();
    Ok(line.trim().parse().unwrap_or_default())
}
