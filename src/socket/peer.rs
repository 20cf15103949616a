//! The other end of a connection, once it has said what it wants: it is written to, and may hang up.

use socket2::SockRef;
use std::{
    io::{self, ErrorKind},
    net::Shutdown,
};
use tokio::{io::Interest, net::UnixStream};

/// A client that reads. It has shut down its writing side, so that there is nothing more to be read is no hang-up; it has
/// hung up when nobody could read what it is written.
#[derive(Debug)]
pub(super) struct Peer(UnixStream);

impl Peer {
    pub(super) fn new(stream: UnixStream) -> Self {
        Self(stream)
    }

    /// Whether it can be seen to have hung up, without waiting.
    pub(super) fn has_hung_up(&self) -> bool {
        // nothing is sent, but not to somebody who is gone
        matches!(self.send(&[]), Err(error) if error.kind() == ErrorKind::BrokenPipe)
    }

    /// Waits until it hangs up.
    pub(super) async fn hung_up(&self) -> io::Result<()> {
        while !self.0.ready(Interest::WRITABLE).await?.is_write_closed() {
            // There is room, which would be so again at once: it is taken for full until more room is told of. Nobody
            // waits for room meanwhile, and who writes tries first.
            let full = self.0.try_io(Interest::WRITABLE, || Err::<(), _>(ErrorKind::WouldBlock.into()));
            debug_assert!(full.is_err());
        }
        Ok(())
    }

    /// Writes all, and waits for room where there is none.
    pub(super) async fn write_all(&self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            let written = match self.send(bytes) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    self.0.async_io(Interest::WRITABLE, || self.send(bytes)).await
                }
                written => written,
            };
            match written {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(written) => bytes = &bytes[written..],
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Writes what is left, and that it is all.
    pub(super) async fn finish(&self, last: &[u8]) -> io::Result<()> {
        self.write_all(last).await?;
        SockRef::from(&self.0).shutdown(Shutdown::Write)
    }

    fn send(&self, bytes: &[u8]) -> io::Result<usize> {
        SockRef::from(&self.0).send(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{io::Read as _, net::Shutdown, os::unix::net::UnixStream as Other, time::Duration};
    use tokio::time::timeout;

    fn pair() -> (Peer, Other) {
        let (here, there) = Other::pair().unwrap();
        here.set_nonblocking(true).unwrap();
        (Peer::new(UnixStream::from_std(here).unwrap()), there)
    }

    /// Longer than it takes, on a machine that does something else.
    const PATIENCE: Duration = Duration::from_secs(10);

    /// It has not hung up while others had a turn, which is when it would be heard of.
    async fn stays(peer: &Peer) -> bool {
        timeout(Duration::from_millis(20), peer.hung_up()).await.is_err() && !peer.has_hung_up()
    }

    async fn goes(peer: &Peer) -> bool {
        timeout(PATIENCE, peer.hung_up()).await.is_ok_and(|gone| gone.is_ok()) && peer.has_hung_up()
    }

    #[tokio::test]
    async fn who_only_says_nothing_more_has_not_hung_up() {
        let (peer, there) = pair();
        assert!(stays(&peer).await);
        there.shutdown(Shutdown::Write).unwrap();
        assert!(stays(&peer).await);
        there.shutdown(Shutdown::Read).unwrap();
        assert!(goes(&peer).await);
    }

    #[tokio::test]
    async fn who_is_gone_has_hung_up_also_with_something_unread() {
        let (peer, there) = pair();
        peer.write_all(b"unread").await.unwrap();
        drop(there);
        assert!(goes(&peer).await);
        assert!(peer.write_all(b"more").await.is_err());
    }

    #[tokio::test]
    async fn a_writer_waits_for_room_whoever_waited_for_a_hang_up_before() {
        let (peer, mut there) = pair();
        assert!(stays(&peer).await);
        let bytes = vec![7; 4 << 20];
        let reading = tokio::task::spawn_blocking(move || {
            let mut read = Vec::new();
            there.read_to_end(&mut read).map(|_| read)
        });
        assert!(stays(&peer).await);
        peer.finish(&bytes).await.unwrap();
        assert_eq!(reading.await.unwrap().unwrap(), bytes);
    }
}
