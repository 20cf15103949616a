//! How far a long reading or writing is, on the last line of stderr, where that is a terminal.

use super::super::output::Output;
use indicatif::{HumanBytes, HumanCount, ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::{
    io::{self, BufRead, Read, Write},
    time::Duration,
};

const TICK: Duration = Duration::from_millis(200);
/// So many rows or lines go through before it is said again how many.
const AT_ONCE: u64 = 4_096;
/// Likewise, bytes.
const BYTES: u64 = 1 << 20;

/// Gone, with its line, when it is dropped.
pub(super) struct Progress(ProgressBar);

impl Progress {
    pub(super) fn new(output: Output) -> Self {
        let target = if output.json() { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let style = ProgressStyle::with_template("{elapsed} {msg}").expect("the template is sound");
        let bar = ProgressBar::with_draw_target(None, target).with_style(style);
        bar.enable_steady_tick(TICK);
        Self(bar)
    }

    pub(super) fn say(&self, what: String) {
        self.0.set_message(what);
    }

    /// Says now and then how many these are.
    pub(super) fn count(&self, number: u64, what: &str) {
        if number.is_multiple_of(AT_ONCE) {
            self.say(format!("{} {what}", HumanCount(number)));
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// Counts the lines that go through.
pub(super) struct Writing<'w> {
    pub(super) to: &'w mut dyn Write,
    pub(super) progress: &'w Progress,
    pub(super) lines: u64,
}

impl Write for Writing<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.to.write(bytes)?;
        let before = self.lines / AT_ONCE;
        self.lines += memchr::memchr_iter(b'\n', &bytes[..written]).count() as u64;
        if self.lines / AT_ONCE > before {
            self.progress.say(format!("{} lines written", HumanCount(self.lines)));
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// Counts the bytes that go through.
pub(super) struct Reading<'r, R> {
    pub(super) from: R,
    pub(super) progress: &'r Progress,
    pub(super) bytes: u64,
}

impl<R: BufRead> Read for Reading<'_, R> {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        self.from.read(bytes)
    }
}

impl<R: BufRead> BufRead for Reading<'_, R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.from.fill_buf()
    }

    fn consume(&mut self, read: usize) {
        let before = self.bytes / BYTES;
        self.bytes += read as u64;
        if self.bytes / BYTES > before {
            self.progress.say(format!("{} read", HumanBytes(self.bytes)));
        }
        self.from.consume(read);
    }
}
