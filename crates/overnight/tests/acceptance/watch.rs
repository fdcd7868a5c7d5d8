//! How much memory a process takes, looked at from outside while it works.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use std::{fs, thread};

/// The pause between two looks.
pub(crate) const SAMPLE: Duration = Duration::from_millis(50);

/// Looks at a process's memory again and again.
pub(crate) struct MemoryWatch {
    shared: Arc<(AtomicBool, Mutex<u64>)>,
    looking: thread::JoinHandle<()>,
}

impl MemoryWatch {
    /// Starts to look.
    pub(crate) fn start(pid: u32) -> Self {
        let shared = Arc::new((AtomicBool::new(false), Mutex::new(0)));
        let looking = thread::spawn({
            let shared = Arc::clone(&shared);
            move || {
                while !shared.0.load(Ordering::Relaxed) {
                    let now = rss_anon(pid);
                    let mut peak = shared.1.lock().unwrap();
                    *peak = now.max(*peak);
                    drop(peak);
                    thread::sleep(SAMPLE);
                }
            }
        });
        Self { shared, looking }
    }

    /// The most so far, in bytes.
    pub(crate) fn peak(&self) -> u64 {
        *self.shared.1.lock().unwrap()
    }

    /// Looks no more, and answers the most, in bytes.
    pub(crate) fn end(self) -> u64 {
        self.shared.0.store(true, Ordering::Relaxed);
        self.looking.join().unwrap();
        *self.shared.1.lock().unwrap()
    }
}

/// The memory of a process that no file backs, in bytes; none of a process that has ended.
fn rss_anon(pid: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("RssAnon:"));
    let kib = line.and_then(|line| line.split_whitespace().nth(1));
    kib.map_or(0, |kib| kib.parse::<u64>().unwrap() * 1024)
}
