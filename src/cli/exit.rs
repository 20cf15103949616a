//! Exit codes that scripts can trust, and what makes a command end with one.

use crate::{
    client::{Code, Error},
    log::directory::{ExportError, ImportError, OpenError},
    signal::Signals,
};
use std::{io, process::ExitCode};

/// How a command ended. The numbers are a promise: see [`EXIT_CODES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    Done = 0,
    Unexpected = 1,
    Usage = 2,
    NotFound = 3,
    Refused = 4,
    Limit = 5,
    Unavailable = 6,
    Ended = 7,
    Nothing = 8,
    Damaged = 9,
    /// 128 and the number of the signal, as shells have it.
    Interrupted = 130,
    Terminated = 143,
}

/// The table, for `--help`.
pub(crate) const EXIT_CODES: &str = "\
Exit codes:
    0  done; while receiving also: the sender or the listener's stop ended it
    1  unexpected: an error of the server's, or of this machine's
    2  usage: the command line cannot be read
    3  not found: no such channel or listener; no log in the directory
    4  refused: an argument, what exists already, or the state of things forbids it
    5  over a limit: a backlog, a size or a number
    6  unavailable: no server there, or no answer in time
    7  ended: removed or taken over while receiving
    8  nothing there: a pull found no message
    9  damaged: a data directory is not as it was written
  130  interrupted (Ctrl-C), 143 terminated";

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit as u8)
    }
}

/// Why a command did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Fault {
    #[error(transparent)]
    Client(#[from] Error),
    /// What was being received ended, and not by its sender.
    #[error("ended: {0}")]
    Ended(Error),
    /// Of several, what became of the one with this sequence.
    #[error("#{0}: {1}")]
    Refused(i64, Error),
    #[error("{0}")]
    Usage(String),
    /// A data directory cannot be used so.
    #[error(transparent)]
    Directory(#[from] OpenError),
    /// What should be taken, or where, is not as it must be.
    #[error(transparent)]
    Import(ImportError),
    #[error("{what}: {cause}")]
    Io { what: String, cause: io::Error },
    /// Who reads our output has enough: that is no error.
    #[error("nobody reads the output")]
    BrokenPipe,
}

impl From<serde_json::Error> for Fault {
    fn from(error: serde_json::Error) -> Self {
        Fault::Client(error.into())
    }
}

impl From<io::Error> for Fault {
    fn from(cause: io::Error) -> Self {
        match cause.kind() == io::ErrorKind::BrokenPipe {
            true => Fault::BrokenPipe,
            false => Fault::Io { what: "output".into(), cause },
        }
    }
}

impl From<ExportError> for Fault {
    fn from(error: ExportError) -> Self {
        match error {
            ExportError::Open(error) => error.into(),
            ExportError::Write(cause) => cause.into(),
        }
    }
}

impl From<ImportError> for Fault {
    fn from(error: ImportError) -> Self {
        match error {
            ImportError::Open(error) => error.into(),
            ImportError::Read(cause) => Fault::Io { what: "input".into(), cause },
            error @ (ImportError::NotEmpty(_)
            | ImportError::NotWhole(_)
            | ImportError::Newer(_)
            | ImportError::Line { .. }) => Fault::Import(error),
        }
    }
}

impl Fault {
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Fault::Client(error) | Fault::Refused(_, error) => of(error),
            Fault::Ended(error) if matches!(of(error), Exit::NotFound | Exit::Refused) => Exit::Ended,
            Fault::Ended(error) => of(error),
            Fault::Usage(_) => Exit::Usage,
            Fault::Directory(error) => of_directory(error),
            Fault::Import(_) => Exit::Refused,
            Fault::Io { cause, .. } if cause.kind() == io::ErrorKind::AlreadyExists => Exit::Refused,
            Fault::Io { .. } => Exit::Unexpected,
            Fault::BrokenPipe => Exit::Done,
        }
    }

    /// What the server said, if it is the server's.
    pub(crate) fn error(&self) -> Option<&Error> {
        match self {
            Fault::Client(error) | Fault::Ended(error) | Fault::Refused(_, error) => Some(error),
            Fault::Usage(_)
            | Fault::Directory(_)
            | Fault::Import(_)
            | Fault::Io { .. }
            | Fault::BrokenPipe => None,
        }
    }
}

fn of(error: &Error) -> Exit {
    match error {
        Error::NoMessages { .. } => Exit::Nothing,
        Error::Endpoint { .. } => Exit::Usage,
        Error::Call(failure) => of_code(failure.code),
        Error::Contract(_) | Error::Payload(_) | Error::Ended => Exit::Unexpected,
    }
}

fn of_directory(error: &OpenError) -> Exit {
    match error {
        OpenError::Missing { .. } => Exit::NotFound,
        OpenError::InUse { .. }
        | OpenError::Newer { .. }
        | OpenError::Older { .. }
        | OpenError::Foreign { .. } => Exit::Refused,
        OpenError::Damaged { .. } => Exit::Damaged,
        OpenError::Io { .. } | OpenError::Store { .. } => Exit::Unexpected,
    }
}

fn of_code(code: Code) -> Exit {
    match code {
        Code::Ok => Exit::Done,
        Code::NotFound => Exit::NotFound,
        Code::InvalidArgument
        | Code::AlreadyExists
        | Code::FailedPrecondition
        | Code::Aborted
        | Code::OutOfRange
        | Code::Unimplemented
        | Code::PermissionDenied
        | Code::Unauthenticated => Exit::Refused,
        Code::ResourceExhausted => Exit::Limit,
        Code::Unavailable | Code::DeadlineExceeded => Exit::Unavailable,
        Code::Cancelled | Code::Unknown | Code::Internal | Code::DataLoss => Exit::Unexpected,
    }
}

/// Resolves when somebody wants the command to end. It hears that from the call on: whoever sees the first line of output may
/// send a signal before anybody waits here.
pub(crate) fn interrupted() -> impl Future<Output = Exit> {
    let signals = Signals::hear();
    async {
        match signals {
            Ok(mut signals) => match signals.next().await {
                "SIGTERM" => Exit::Terminated,
                _ => Exit::Interrupted,
            },
            // without a place to hear it, the signal ends the process as it does any other
            Err(_) => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tonic::Status;

    fn fault(status: Status) -> Fault {
        Fault::Client(status.into())
    }

    #[test]
    fn codes_lead_to_their_exit() {
        assert_eq!(fault(Status::not_found("")).exit(), Exit::NotFound);
        assert_eq!(fault(Status::invalid_argument("")).exit(), Exit::Refused);
        assert_eq!(fault(Status::already_exists("")).exit(), Exit::Refused);
        assert_eq!(fault(Status::resource_exhausted("")).exit(), Exit::Limit);
        assert_eq!(fault(Status::unavailable("")).exit(), Exit::Unavailable);
        assert_eq!(fault(Status::deadline_exceeded("")).exit(), Exit::Unavailable);
        assert_eq!(fault(Status::internal("")).exit(), Exit::Unexpected);
    }

    #[test]
    fn a_removal_or_a_takeover_while_receiving_is_an_end() {
        assert_eq!(Fault::Ended(Status::not_found("").into()).exit(), Exit::Ended);
        assert_eq!(Fault::Ended(Status::aborted("").into()).exit(), Exit::Ended);
        assert_eq!(Fault::Ended(Status::unavailable("").into()).exit(), Exit::Unavailable);
    }

    #[test]
    fn nothing_there_is_its_own_exit() {
        let error = Error::NoMessages { channel: "c".into(), listener: "l".into() };
        assert_eq!(Fault::Client(error).exit(), Exit::Nothing);
    }

    #[test]
    fn a_reader_that_has_enough_is_no_error() {
        assert_eq!(Fault::from(io::Error::from(io::ErrorKind::BrokenPipe)).exit(), Exit::Done);
        assert_eq!(Fault::from(io::Error::other("disk full")).exit(), Exit::Unexpected);
    }

    #[test]
    fn the_table_names_every_code() {
        for exit in [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 130, 143] {
            assert!(
                EXIT_CODES.contains(&format!("{exit}  ")) || EXIT_CODES.contains(&format!("{exit} ")),
                "{exit}"
            );
        }
    }
}
