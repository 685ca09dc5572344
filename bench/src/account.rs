//! The cost of a server, as the system counts it: its process and its children.

use crate::{Failure, sys};
use std::collections::BTreeMap;
use std::fs;
use std::time::{Duration, Instant};

/// The processes of one server.
#[derive(Debug, Clone)]
pub struct Account {
    processes: Vec<u32>,
}

/// Memory that processes have taken for themselves, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Memory(pub u64);

/// The longest that a server is waited for to become idle.
const SETTLE: Duration = Duration::from_secs(20);

/// Looks between which nothing ran for a server to count as idle.
const IDLE_LOOKS: usize = 4;

/// The time between two looks.
const LOOK: Duration = Duration::from_millis(5);

impl Account {
    /// The account of this process and of all processes that it has started.
    pub fn of(process: u32) -> Self {
        let mut children: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
            let pid = entry.file_name().to_str().and_then(|name| name.parse().ok());
            if let Some((pid, parent)) = pid.and_then(|pid| Some((pid, parent(pid)?))) {
                children.entry(parent).or_default().push(pid);
            }
        }
        let mut processes = vec![process];
        let mut next = 0;
        while next < processes.len() {
            processes.extend(children.get(&processes[next]).into_iter().flatten());
            next += 1;
        }
        Account { processes }
    }

    /// Asks its last process to end: the server itself, if it runs under a profiler.
    pub fn terminate(&self) {
        if let Some(last) = self.processes.last() {
            sys::terminate(*last);
        }
    }

    /// How long its threads have run on a core. Exact when they do not run now.
    pub fn time(&self) -> Result<Duration, Failure> {
        let mut nanos = 0;
        for process in &self.processes {
            let threads = fs::read_dir(format!("/proc/{process}/task"))
                .map_err(|error| Failure(format!("the server has ended: {error}")))?;
            for thread in threads.flatten() {
                let Ok(stat) = fs::read_to_string(thread.path().join("schedstat")) else {
                    continue; // it has just ended
                };
                let on_core = stat.split(' ').next().and_then(|word| word.parse::<u64>().ok());
                nanos += on_core.ok_or_else(|| Failure("schedstat is not kept here".into()))?;
            }
        }
        Ok(Duration::from_nanos(nanos))
    }

    /// Its anonymous and shared memory; the program's own text does not count.
    pub fn memory(&self) -> Result<Memory, Failure> {
        let mut kibibytes = 0;
        for process in &self.processes {
            let rollup = fs::read_to_string(format!("/proc/{process}/smaps_rollup"))
                .map_err(|error| Failure(format!("the server has ended: {error}")))?;
            kibibytes += field(&rollup, "Pss_Anon:") + field(&rollup, "Pss_Shmem:");
        }
        Ok(Memory(kibibytes * 1024))
    }

    /// Waits until it does nothing; its time since it was `before`.
    pub fn settled_since(&self, before: Duration) -> Result<Duration, Failure> {
        Ok(self.settled()?.saturating_sub(before))
    }

    /// Waits until it does nothing; its time then.
    pub fn settled(&self) -> Result<Duration, Failure> {
        let begin = Instant::now();
        let (mut last, mut idle) = (self.time()?, 0);
        while idle < IDLE_LOOKS {
            if begin.elapsed() > SETTLE {
                return Err(Failure("the server does not become idle".into()));
            }
            std::thread::sleep(LOOK);
            let now = self.time()?;
            idle = if now == last { idle + 1 } else { 0 };
            last = now;
        }
        Ok(last)
    }
}

/// The parent, the second word behind the name in parentheses, which may hold anything.
fn parent(process: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(") ")?;
    rest.split(' ').nth(1)?.parse().ok()
}

fn field(text: &str, name: &str) -> u64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|line| line.split_ascii_whitespace().next()?.parse().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::Account;

    #[test]
    fn this_process_has_run_and_has_memory() {
        let account = Account::of(std::process::id());
        assert!(account.time().expect("schedstat").as_nanos() > 0);
        assert!(account.memory().expect("smaps_rollup").0 > 0);
    }
}
