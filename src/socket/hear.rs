//! A client is heard to its end, as far as that is bounded.

use std::io;
use tokio::{
    io::{AsyncReadExt as _, copy, sink},
    net::UnixStream,
};

/// What came of a connection.
pub(super) enum Heard {
    /// All that the client said.
    All(Vec<u8>),
    /// More than a request may be.
    TooMuch,
    Failed(io::Error),
}

/// Hears a client out.
pub(super) async fn hear(stream: &mut UnixStream, most: usize) -> Heard {
    match try_hear(stream, most).await {
        Ok(Some(bytes)) => Heard::All(bytes),
        Ok(None) => Heard::TooMuch,
        Err(error) => Heard::Failed(error),
    }
}

async fn try_hear(stream: &mut UnixStream, most: usize) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    (&mut *stream).take((most as u64).saturating_add(1)).read_to_end(&mut bytes).await?;
    if bytes.len() <= most {
        return Ok(Some(bytes));
    }
    drop(bytes);
    // a client reads the answer when it has said all
    copy(stream, &mut sink()).await?;
    Ok(None)
}
