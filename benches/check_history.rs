//! How fast a history is judged: `cargo bench --bench check_history`.
//!
//! Writes a serializable list-append history of 2.3 operations a transaction from 16 sessions, judges it in a process of
//! its own, parsing included, and prints user time and peak memory, from ten thousand transactions to a million. With a
//! path after `--`, the history is only written there.

use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::Command;

use pgweave::check::graph::Model;
use pgweave::histories::generate::{Generator, PLOTS};
use pgweave::histories::{KeyOrder, Ruling, read};

/// The environment variable by which the bench tells itself to judge a file and nothing else.
const JUDGE: &str = "PGWEAVE_BENCH_JUDGE";

fn main() -> Result<(), Box<dyn std::error::Error>> {
    if let Some(file) = std::env::var_os(JUDGE) {
        return judge(Path::new(&file));
    }
    let folder = std::env::temp_dir().join(format!("pgweave-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let result = measure(&folder);
    std::fs::remove_dir_all(&folder)?;
    result
}

fn measure(folder: &Path) -> Result<(), Box<dyn std::error::Error>> {
    println!("{:>12} {:>9} {:>10} {:>10}  history", "transactions", "file MB", "user s", "peak MB");
    for transactions in [10_000, 100_000, 1_000_000] {
        for (what, injected) in [("serializable", Vec::new()), ("one of each anomaly", PLOTS.to_vec())] {
            let file = folder.join("history.edn");
            let mut out = BufWriter::new(std::fs::File::create(&file)?);
            Generator { transactions, injected, ..Generator::default() }.write(&mut out)?;
            out.flush()?;
            drop(out);
            let told = Command::new(std::env::current_exe()?).env(JUDGE, &file).output()?;
            let told = String::from_utf8(told.stdout)?;
            let megabytes = std::fs::metadata(&file)?.len() / 1_000_000;
            println!("{transactions:>12} {megabytes:>9} {}  {what}", told.trim_end());
        }
    }
    Ok(())
}

fn judge(file: &Path) -> Result<(), Box<dyn std::error::Error>> {
    let judged = read(file, KeyOrder::Certain)?.judge(Model::Serializable);
    let worst = judged.worst().map_or("", |finding| finding.anomaly.name());
    let verdict = if judged.ruling == Ruling::Holds { "holds" } else { worst };
    let usage = Usage::of_this_process()?;
    println!("{:>10.3} {:>10}  {verdict:<14}", usage.user_seconds, usage.peak_megabytes);
    Ok(())
}

/// What the process has used, as Linux tells it.
struct Usage {
    user_seconds: f64,
    peak_megabytes: u64,
}

impl Usage {
    fn of_this_process() -> Result<Self, Box<dyn std::error::Error>> {
        /// Clock ticks a second, as /proc counts them on every Linux.
        const TICKS: f64 = 100.0;
        let stat = std::fs::read_to_string(PathBuf::from("/proc/self/stat"))?;
        let after_name = stat.rsplit(')').next().ok_or("no fields in /proc/self/stat")?;
        let ticks: f64 = after_name.split_whitespace().nth(11).ok_or("no user time")?.parse()?;
        let status = std::fs::read_to_string("/proc/self/status")?;
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).ok_or("no VmHWM")?;
        let kilobytes: u64 = peak.trim().trim_end_matches(" kB").parse()?;
        Ok(Self { user_seconds: ticks / TICKS, peak_megabytes: kilobytes / 1000 })
    }
}
