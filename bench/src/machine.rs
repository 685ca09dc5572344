//! Where the figures were taken.

use crate::sys;
use serde_json::{Value, json};
use std::fs;
use std::process::Command;

/// The machine, and its other load.
#[derive(Debug)]
pub struct Machine {
    processor: String,
    cores: usize,
    memory_gib: u64,
    kernel: String,
    rustc: String,
    /// The load average of a minute, before the run.
    load_average: String,
}

impl Machine {
    /// This one, now.
    pub fn here() -> Self {
        let read = |path| fs::read_to_string(path).unwrap_or_default();
        let (cpu, memory, load) =
            (read("/proc/cpuinfo"), read("/proc/meminfo"), read("/proc/loadavg"));
        let field = |text: &str, name: &str| {
            let line = text.lines().find(|line| line.starts_with(name));
            line.and_then(|line| Some(line.split_once(':')?.1.trim().to_owned()))
                .unwrap_or_default()
        };
        let kibibytes = field(&memory, "MemTotal").replace(" kB", "").parse().unwrap_or(0_u64);
        let rustc = Command::new("rustc").arg("--version").output();
        let rustc = rustc.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
        Machine {
            processor: field(&cpu, "model name"),
            cores: sys::cores().len(),
            memory_gib: kibibytes.div_ceil(1 << 20),
            kernel: read("/proc/sys/kernel/osrelease").trim().to_owned(),
            rustc: rustc.unwrap_or_default(),
            load_average: load.split(' ').next().unwrap_or_default().to_owned(),
        }
    }

    /// In one line.
    pub fn markdown(&self) -> String {
        let Machine { processor, cores, memory_gib, kernel, rustc, load_average } = self;
        format!(
            "{processor}, {cores} cores, {memory_gib} GiB; Linux {kernel}; {rustc}; load average \
             {load_average} before the run\n"
        )
    }

    /// As JSON.
    pub fn json(&self) -> Value {
        json!({
            "processor": self.processor,
            "cores": self.cores,
            "memory_gib": self.memory_gib,
            "kernel": self.kernel,
            "rustc": self.rustc,
            "load_average": self.load_average,
        })
    }
}
