//! `eric log`: look at, check, export and import the data directory of a server, without the server.

mod progress;

use super::{
    context::Connection,
    exit::{Exit, Fault},
    output::Output,
};
use crate::log::directory;
use clap::{Args, Subcommand};
use progress::{Progress, Reading, Writing};
use std::{
    fs::File,
    io::{self, BufRead, BufReader, BufWriter, Write},
    path::{Path, PathBuf},
};

/// A data directory, as the operator's own tools see it: count, check, export, import
///
/// They work on the directory itself and ask no server. Counting, checking and exporting only read: a server may run on the
/// directory meanwhile, and what they tell is one state of it. While they read, its write-ahead log grows.
#[derive(Args, Debug)]
#[command(args = Connection::out_of_sight(true))]
pub(crate) struct Log {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand, Debug)]
enum Verb {
    /// Count what stands in a directory: sizes, the oldest message, messages by channel. A server may run on it
    Stat(Directory),
    /// Read everything in a directory and tell what is not as it was written. A server may run on it
    Check(Directory),
    /// Write all that can be read as JSON lines, also of a damaged file, and tell what cannot. A server may run on it
    Export(Export),
    /// Take the lines of an export into an empty or a missing directory, as a whole or not at all
    Import(Import),
}

#[derive(Args, Debug)]
struct Directory {
    /// The data directory
    dir: PathBuf,
}

#[derive(Args, Debug)]
struct Export {
    /// The data directory
    dir: PathBuf,
    /// A new file for the lines; stdout without it
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

#[derive(Args, Debug)]
struct Import {
    /// The data directory to be made
    dir: PathBuf,
    /// The file with the lines; stdin without it
    #[arg(long, value_name = "FILE")]
    input: Option<PathBuf>,
}

impl Log {
    pub(crate) fn run(self, output: Output) -> Result<Exit, Fault> {
        match self.verb {
            Verb::Stat(Directory { dir }) => output.show(&directory::stat(&dir)?).map(|()| Exit::Done),
            Verb::Check(Directory { dir }) => check(&dir, output),
            Verb::Export(export) => export.run(output),
            Verb::Import(import) => import.run(output),
        }
    }
}

fn check(dir: &Path, output: Output) -> Result<Exit, Fault> {
    let progress = Progress::new(output);
    progress.say("looking at the structure".to_owned());
    let checked = directory::check(dir, &mut |rows| progress.count(rows, "rows read"))?;
    drop(progress);
    output.show(&checked)?;
    Ok(sound(&checked.faults))
}

/// What is damaged makes the exit, not an error: the command did what it was asked.
fn sound(faults: &[String]) -> Exit {
    if faults.is_empty() { Exit::Done } else { Exit::Damaged }
}

impl Export {
    fn run(self, output: Output) -> Result<Exit, Fault> {
        let progress = Progress::new(output);
        let exported = match &self.output {
            Some(path) => self.write_file(path, &progress)?,
            None => self.write(&mut BufWriter::new(io::stdout().lock()), &progress)?,
        };
        drop(progress);
        output.note(&exported);
        Ok(sound(&exported.unreadable))
    }

    /// It is on disk when the command ends, and nothing that was there is lost.
    fn write_file(&self, path: &Path, progress: &Progress) -> Result<directory::Exported, Fault> {
        let file = File::create_new(path).map_err(|cause| fault(path, cause))?;
        let mut to = BufWriter::new(file);
        let exported = self.write(&mut to, progress)?;
        to.get_ref().sync_all().map_err(|cause| fault(path, cause))?;
        Ok(exported)
    }

    fn write(&self, to: &mut dyn Write, progress: &Progress) -> Result<directory::Exported, Fault> {
        let mut to = Writing { to, progress, lines: 0 };
        let exported = directory::export(&self.dir, &mut to)?;
        to.flush()?;
        Ok(exported)
    }
}

impl Import {
    fn run(self, output: Output) -> Result<Exit, Fault> {
        let progress = Progress::new(output);
        let imported = match &self.input {
            Some(path) => {
                let file = File::open(path).map_err(|cause| fault(path, cause))?;
                self.read(BufReader::new(file), &progress)?
            }
            None => self.read(io::stdin().lock(), &progress)?,
        };
        drop(progress);
        output.show(&imported)?;
        Ok(Exit::Done)
    }

    fn read(&self, from: impl BufRead, progress: &Progress) -> Result<directory::Imported, Fault> {
        Ok(directory::import(&self.dir, &mut Reading { from, progress, bytes: 0 })?)
    }
}

fn fault(path: &Path, cause: io::Error) -> Fault {
    Fault::Io { what: path.display().to_string(), cause }
}
