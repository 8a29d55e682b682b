//! What this computer says about this process.

use std::time::Duration;

use cpu_time::ProcessTime;

/// CPU time used so far by all threads, user and system together.
pub(crate) fn cpu() -> Duration {
    ProcessTime::now().as_duration()
}

/// Bytes of memory resident now, and the most there ever were. `None` where there is no `/proc`.
pub(crate) fn resident() -> Option<(u64, u64)> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let field = |name: &str| -> Option<u64> {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        Some(line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1_024)
    };
    Some((field("VmRSS:")?, field("VmHWM:")?))
}
