//! Where the server is: in this process, over its memory or a directory, or in one that is killed.

use crate::{
    args::{Over, Run},
    kill,
    road::Outcome,
    stage::Stage,
    victim::Victim,
};
use eric::{config::Config, log::directory, server::Server};
use std::{net::SocketAddr, time::Duration};
use tempfile::TempDir;
use tokio::time::sleep;

pub(crate) enum House {
    Here(Server, Option<TempDir>),
    Apart(Box<Victim>),
}

impl House {
    pub(crate) async fn open(over: Over) -> Outcome<Self> {
        let place = match over {
            Over::Memory => None,
            Over::Directory => Some(tempfile::tempdir()?),
            Over::Crashes(_) => return Ok(Self::Apart(Box::new(Victim::start().await?))),
        };
        Ok(Self::Here(Server::start(&config(place.as_ref()))?, place))
    }

    pub(crate) fn address(&self) -> SocketAddr {
        match self {
            Self::Here(server, _) => server.address(),
            Self::Apart(victim) => victim.address(),
        }
    }

    /// Until the calm.
    pub(crate) async fn stand(&mut self, run: &Run, stage: &Stage) -> Outcome {
        match (self, run.over) {
            (Self::Apart(victim), Over::Crashes(kills)) => kill::kill(stage, victim, kills).await?,
            _ => sleep(run.time).await,
        }
        Ok(())
    }

    /// Ends the server, and tells what is wrong with what it leaves behind.
    pub(crate) async fn close(self) -> Outcome<Vec<String>> {
        let (server, place) = match self {
            Self::Apart(victim) => return victim.end().await,
            Self::Here(server, place) => (server, place),
        };
        server.stopper().cut();
        // a server must not be joined on a runtime
        tokio::task::spawn_blocking(move || server.join()).await?;
        place.map_or(Ok(Vec::new()), |place| Ok(directory::check(place.path(), &mut |_| {})?.faults))
    }
}

fn config(place: Option<&TempDir>) -> Config {
    Config {
        listen: ([127, 0, 0, 1], 0).into(),
        http: None,
        data_dir: place.map(|place| place.path().to_owned()),
        workers: 2,
        // an id must not be forgotten before its sender has asked again
        max_idempotency_bytes: 1 << 30,
        drain_deadline: Duration::from_secs(5),
        ..Config::default()
    }
}
