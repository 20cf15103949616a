//! Power cuts, failing fsyncs and full disks: `tests/power/power.c` is laid over a process that drives a log. What was
//! accepted is there after it, in order, and nothing was invented. `ERIC_POWER_CYCLES` says how often, `ERIC_POWER_SEED`
//! repeats what was seen.

use super::*;
use crate::log::{Change, RecoveredMessage};
use std::{
    collections::BTreeMap,
    env,
    process::{Command, Output},
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// The process ends so where its power is cut.
const CUT: i32 = 86;
const TOGETHER: u64 = 3;

/// The message of an id: whoever reads it back can tell what it must be.
fn sent(id: &str) -> Message {
    let sum = id.bytes().fold(7_usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
    message(id, sum % 3_000)
}

fn sending(channel: Position, id: &str) -> Record {
    let (accepted_at, message) = (writer::now() * 1_000_000, sent(id));
    Record::Message { channel, listener: None, accepted_at, remember_until: None, message, dead_letter: None }
}

mod driver {
    use super::*;

    /// Drives a log until its power is cut, and says what was accepted.
    #[test]
    #[ignore = "a process of its own, which the test below starts"]
    fn driver() {
        let dir = env::var("POWER_DIR").expect("the test says where");
        let Ok(log) = Directory::open(Path::new(&dir), &options()) else {
            return;
        };
        let mut told = Vec::new();
        log.recover(&mut |found| told.push(found)).expect("the file is sound");
        let life = env::var("ERIC_POWER_LIFE").expect("the test numbers lives");
        let channel = told.iter().find_map(|found| match found {
            Recovered::Channel(channel) => Some(channel.birth),
            Recovered::Removed(_)
            | Recovered::Listener(_)
            | Recovered::Accepted(_)
            | Recovered::Message(_) => None,
        });
        let Some(channel) = channel.or_else(|| self::channel(&log)) else { return };
        // what an earlier life came not to delete
        let earlier = read(&log, &messages(&told)).into_iter().filter(|(_, id)| id.starts_with('d'));
        let mut accepted: Vec<_> = earlier.map(|(position, _)| position).collect();
        let left = AtomicU64::new(2_000);
        std::thread::scope(|scope| {
            let going = || left.fetch_sub(1, Ordering::Relaxed) > 10;
            let (log, life) = (&log, &life);
            for thread in 0..2 {
                scope.spawn(move || {
                    (0..).take_while(|_| going()).all(|n| one(log, channel, &format!("a{thread}-{life}-{n}")))
                });
            }
            scope.spawn(move || (0..).take_while(|_| going()).all(|n| together(log, channel, life, n)));
            scope.spawn(move || {
                (0..).take_while(|_| going()).all(|n| deleting(log, channel, &mut accepted, life, n))
            });
        });
    }

    fn options() -> Options {
        let lax = env::var("ERIC_POWER_LAX").is_ok();
        let sync = if lax { Sync::Interval(Duration::from_secs(3_600)) } else { Sync::Always };
        Options { sync, cache_bytes: 10_000, ..Options::default() }
    }

    fn channel(log: &Directory) -> Option<Position> {
        let text = Text { settings: "{}".into(), state: "{\"through\":0}".into() };
        let record = Record::Channel { id: "c".into(), created_at: 1, text };
        durable(log, || log.append(record.clone()))
    }

    /// Waits until it is on disk; `None`: it will not come there.
    fn durable(log: &Directory, append: impl Fn() -> Result<Position, LogError>) -> Option<Position> {
        let again = || std::thread::park_timeout(Duration::from_millis(20));
        let fails = || log.shared.standing() == LogState::Failed;
        let appended = loop {
            match append() {
                Ok(position) => break position,
                Err(_) if fails() => return None,
                Err(_) => again(),
            }
        };
        while wait(log.watermark().reached(Position(appended.0))).is_err() {
            if fails() {
                return None;
            }
            again();
        }
        Some(appended)
    }

    fn one(log: &Directory, channel: Position, id: &str) -> bool {
        let position = durable(log, || log.append(sending(channel, id)));
        position.inspect(|position| println!("\n@{position} {id}")).is_some()
    }

    fn together(log: &Directory, channel: Position, life: &str, n: u64) -> bool {
        let ids: Vec<_> = (0..TOGETHER).map(|k| format!("w{n}-{life}-{k}")).collect();
        let records = || ids.iter().map(|id| sending(channel, id)).collect();
        // the last of them is as safe as the first
        let first = durable(log, || log.append_all(records(), &[]));
        let Some(first) = first else { return false };
        if wait(log.watermark().reached(Position(first.0 + TOGETHER - 1))).is_err() {
            return false;
        }
        (first.0..).zip(&ids).for_each(|(position, id)| println!("\n@{position} {id}"));
        true
    }

    /// Accepts a few, and deletes them with the state that says so.
    fn deleting(
        log: &Directory,
        channel: Position,
        accepted: &mut Vec<Position>,
        life: &str,
        n: u64,
    ) -> bool {
        for k in 0..5 {
            let id = format!("d{n}-{life}-{k}");
            let Some(position) = durable(log, || log.append(sending(channel, &id))) else { return false };
            println!("\n@{position} {id}");
            accepted.push(position);
        }
        log.delete(accepted);
        let last = accepted.drain(..).next_back().expect("some were accepted");
        let through = format!("{{\"through\":{last}}}");
        log.save(&mut |change| {
            change(Change { whom: Whom::Channel(channel), settings: None, state: Some(through.clone()) });
        });
        true
    }
}

/// What has happened so far, in all lives.
struct Lives {
    dir: TempDir,
    layer: PathBuf,
    accepted: BTreeMap<u64, String>,
}

/// What stands in the file after a life.
struct Left {
    messages: BTreeMap<u64, String>,
    through: u64,
    last: u64,
}

impl Lives {
    fn new() -> Self {
        let dir = dir();
        let layer = dir.path().join("power.so");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/power/power.c");
        let mut cc = Command::new("cc");
        cc.args(["-shared", "-fPIC", "-O1", "-Wall", "-Werror", "-o"]).arg(&layer).arg(source).arg("-ldl");
        assert!(cc.status().expect("there is a C compiler").success());
        fs::create_dir(dir.path().join("log")).expect("the directory is new");
        Self { dir, layer, accepted: BTreeMap::new() }
    }

    fn log(&self) -> PathBuf {
        self.dir.path().join("log")
    }

    /// Runs a process until its end, and goes on with what the disk would have kept.
    fn live(&mut self, life: usize, faults: &[(&str, u64)]) -> Output {
        let (log, shadow) = (self.log(), self.dir.path().join("shadow"));
        fs::create_dir(&shadow).unwrap();
        for file in fs::read_dir(&log).unwrap() {
            let file = file.unwrap();
            fs::copy(file.path(), shadow.join(file.file_name())).unwrap();
        }
        let mut driver = Command::new(env::current_exe().unwrap());
        driver.args(["log::directory::tests::power::driver::driver", "--exact", "--ignored", "--nocapture"]);
        driver.env("LD_PRELOAD", &self.layer).env("POWER_DIR", &log).env("POWER_SHADOW", &shadow);
        driver.env("ERIC_POWER_LIFE", life.to_string());
        faults.iter().for_each(|(name, value)| _ = driver.env(name, value.to_string()));
        let output = driver.output().unwrap();
        fs::remove_dir_all(&log).unwrap();
        fs::rename(&shadow, &log).unwrap();
        self.hear(&String::from_utf8_lossy(&output.stdout));
        output
    }

    fn hear(&mut self, said: &str) {
        let whole = said.rfind('\n').map_or("", |end| &said[..end]);
        for line in whole.lines().filter_map(|line| line.strip_prefix('@')) {
            let (position, id) = line.split_once(' ').expect("a position and an id");
            let before = self.accepted.insert(position.parse().unwrap(), id.to_owned());
            assert_eq!(before, None, "position {position} was given twice");
        }
    }

    fn left(&self) -> Left {
        let (told, log) = recovered(&self.log());
        let mut through = 0;
        let mut positions = Vec::new();
        for found in &told {
            match found {
                Recovered::Channel(channel) => {
                    let state: serde_json::Value = serde_json::from_str(&channel.text.state).unwrap();
                    through = state["through"].as_u64().unwrap();
                }
                Recovered::Message(RecoveredMessage { position, .. }) => positions.push(*position),
                Recovered::Removed(_) | Recovered::Listener(_) | Recovered::Accepted(_) => {}
            }
        }
        let mut found = Vec::new();
        log.read(&positions, &mut found).unwrap();
        let as_sent = |entry: &Entry| entry.message.bytes() == sent(entry.message.id()).bytes();
        assert!(
            found.len() == positions.len() && found.iter().all(as_sent),
            "a message is not as it was sent"
        );
        let messages = found.iter().map(|entry| (entry.position.0, entry.message.id().to_owned())).collect();
        Left { messages, through, last: log.last().0 }
    }

    fn judge(&self) {
        let left = self.left();
        for (position, id) in &self.accepted {
            let gone = id.starts_with('d') && *position <= left.through;
            let expected = if gone { None } else { Some(id) };
            assert_eq!(
                left.messages.get(position),
                expected,
                "{position} {id}, deleted through {}",
                left.through
            );
        }
        assert!(left.last >= self.accepted.keys().next_back().copied().unwrap_or_default());
        let mut next: BTreeMap<&str, u64> = BTreeMap::new();
        for (position, id) in &left.messages {
            assert!(!id.starts_with('d') || *position > left.through, "{id} was deleted");
            let (thread, number) = id.rsplit_once('-').expect("an id ends in a number");
            let next = next.entry(thread).or_default();
            assert_eq!(number.parse(), Ok(*next), "{id} overtook, or one before it is lost");
            *next += 1;
        }
        let torn = next.iter().find(|(thread, count)| thread.starts_with('w') && **count != TOGETHER);
        assert_eq!(torn, None, "what was appended together was parted");
    }
}

fn seed() -> u64 {
    let seed = env::var("ERIC_POWER_SEED").ok().and_then(|seed| seed.parse().ok());
    seed.unwrap_or_else(|| fastrand::u64(..1_000_000))
}

#[test]
fn what_was_accepted_outlives_power_cuts_failed_fsyncs_and_full_disks() {
    let cycles = env::var("ERIC_POWER_CYCLES").ok().and_then(|cycles| cycles.parse().ok()).unwrap_or(24);
    let seed = seed();
    println!("ERIC_POWER_SEED={seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let (mut lives, mut cuts) = (Lives::new(), 0);
    for life in 0..cycles {
        let cut = random.u64(1..if life % 3 == 0 { 200 } else { 4_000 });
        let mut faults = vec![("POWER_SEED", random.u64(..1_000_000))];
        match life % 8 {
            6 => faults.push(("POWER_FAIL_SYNC_AT", random.u64(1..100))),
            7 => faults.extend([
                ("POWER_FULL_AT", random.u64(1..300)),
                ("POWER_FULL_FOR", random.u64(1..20)),
                ("POWER_CUT_AT", cut + 300),
            ]),
            _ => faults.push(("POWER_CUT_AT", cut)),
        }
        println!("life {life}: {faults:?}");
        let output = lives.live(life, &faults);
        let code = output.status.code();
        assert!(
            matches!(code, Some(0 | CUT)),
            "the driver ended with {code:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        cuts += usize::from(code == Some(CUT));
        lives.judge();
    }
    println!("{} accepted in {cycles} lives, {cuts} of them cut", lives.accepted.len());
    assert!(cuts > cycles / 4 && !lives.accepted.is_empty());
}

/// The layer itself: a log that does not wait for the disk does lose what it has accepted.
#[test]
fn what_was_not_synced_is_lost() {
    let lost = (0..8).any(|seed| {
        let mut lives = Lives::new();
        lives.live(0, &[("POWER_CUT_AT", 500)]);
        lives.live(1, &[("POWER_CUT_AT", 500), ("ERIC_POWER_LAX", 1), ("POWER_SEED", seed)]);
        let left = lives.left();
        let kept = |position: &u64| *position <= left.through || left.messages.contains_key(position);
        !lives.accepted.keys().all(kept)
    });
    assert!(lost);
}
