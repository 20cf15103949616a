//! `eric bench`: a load of one's own making on a server that runs, and what it does to it.

mod board;
mod load;
mod receivers;
mod report;

use super::{
    context::{Context, duration, size},
    exit::{Exit, Fault, interrupted},
    runtime,
};
use crate::client::{Client, NewChannel};
use board::Board;
use clap::{Args, ValueEnum};
use futures_util::{
    FutureExt as _, StreamExt as _, TryStreamExt as _,
    future::{BoxFuture, Shared, ready, try_join_all},
    stream,
};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use load::Load;
use receivers::Receivers;
use report::Report;
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::oneshot,
    task::{JoinError, JoinHandle, spawn_blocking},
    time::{Instant, sleep},
};
use tokio_util::sync::CancellationToken;

/// After the last publication, deliveries may stay away for so long before they count as lost.
const PATIENCE: Duration = Duration::from_secs(2);
/// So many requests at once make listeners and open streams.
const AT_ONCE: usize = 64;
/// How often progress is shown.
const TICK: Duration = Duration::from_millis(100);

/// Measure a running server: publish to a channel of its own and time what arrives
///
/// The channel is removed at the end. Latency is the time from a message's publication to its receipt,
/// both in this process: it holds the client's own work, and where publishers are not slowed by --rate, the
/// time that a message waits behind others.
#[derive(Args, Clone, Debug)]
pub(crate) struct Bench {
    /// Send each message to all receivers, or to one listener after the other
    #[arg(long, value_enum, default_value_t = Mode::Broadcast)]
    mode: Mode,
    /// Publishers, each with a connection
    #[arg(long, value_name = "NUMBER", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    publishers: u32,
    /// Listeners [default: 1, or none with --watchers]
    #[arg(long, value_name = "NUMBER")]
    listeners: Option<u32>,
    /// Watchers
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    watchers: u32,
    /// Receivers that share a connection
    #[arg(long, value_name = "NUMBER", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..))]
    streams_per_connection: u32,
    /// Threads that receive; one more publishes
    #[arg(long, value_name = "NUMBER", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    threads: u32,
    /// The payload of a message; at least 8
    #[arg(long, value_name = "BYTES", default_value = "256", value_parser = size)]
    size: i64,
    /// The most messages of a batch
    #[arg(long, value_name = "NUMBER", default_value_t = 1024, value_parser = clap::value_parser!(u32).range(1..))]
    batch: u32,
    /// Messages that one publisher may have unanswered
    #[arg(long, value_name = "NUMBER", default_value_t = 1024, value_parser = clap::value_parser!(u32).range(1..))]
    in_flight: u32,
    /// How long to publish
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = duration)]
    duration: Duration,
    /// Messages a second, of all publishers together [default: as many as are answered]
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u32).range(1..))]
    rate: Option<u32>,
}

#[derive(ValueEnum, Clone, Copy, Debug, PartialEq)]
enum Mode {
    Broadcast,
    Dispatch,
}

impl Bench {
    pub(crate) async fn run(self, context: &Context) -> Result<Exit, Fault> {
        self.check()?;
        let client = context.client()?;
        // heard from here on, before there is anything to remove
        let interrupted = interrupted().boxed().shared();
        if let Some(exit) = interrupted.clone().now_or_never() {
            return Ok(exit);
        }
        let channel = format!("bench-{}", uuid::Uuid::new_v4().simple());
        client.create_channel(NewChannel::named(&channel)).await?;
        let board = Arc::new(Board::default());
        let stage = Stage { bench: self, context: context.clone(), channel, board, interrupted };
        let outcome = stage.play(&client).await;
        // whatever became of it
        let removed = client.remove_channel(&stage.channel).await;
        let exit = outcome?;
        context.output.show(&Report::of(&stage.board, &stage.bench))?;
        removed?;
        Ok(exit)
    }

    fn check(&self) -> Result<(), Fault> {
        if self.size < 8 {
            return Err(Fault::Usage("--size is at least 8: a message carries its time".into()));
        }
        if self.mode == Mode::Dispatch && self.listeners() == 0 {
            return Err(Fault::Usage(
                "--mode dispatch needs --listeners: watchers see broadcasts only".into(),
            ));
        }
        Ok(())
    }

    fn listeners(&self) -> u32 {
        self.listeners.unwrap_or(u32::from(self.watchers == 0))
    }

    /// How many receive each message.
    fn receivers_of_each(&self) -> u64 {
        match self.mode {
            Mode::Broadcast => u64::from(self.listeners()) + u64::from(self.watchers),
            Mode::Dispatch => 1,
        }
    }
}

fn listener_id(number: u32) -> String {
    format!("listener-{number}")
}

/// One run, on a channel that is there.
struct Stage {
    bench: Bench,
    context: Context,
    channel: String,
    board: Arc<Board>,
    interrupted: Shared<BoxFuture<'static, Exit>>,
}

/// A thread with a runtime of its own.
type Thread = JoinHandle<Result<(), Fault>>;

impl Stage {
    async fn play(&self, client: &Client) -> Result<Exit, Fault> {
        let (stop_receiving, stop_publishing) = (CancellationToken::new(), CancellationToken::new());
        // whichever way this ends, no thread stays behind
        let _guards = (stop_receiving.clone().drop_guard(), stop_publishing.clone().drop_guard());
        let receiving = tokio::select! {
            threads = self.prepare(client, &stop_receiving) => threads?,
            exit = self.interrupted.clone() => return Ok(exit),
        };
        self.board.begin();
        let publishing = self.publish(&stop_publishing);
        let exit = self.watch_progress().await;
        stop_publishing.cancel();
        ended(publishing).await?;
        self.board.published();
        let exit = tokio::select! {
            () = self.drain() => exit,
            exit = self.interrupted.clone() => exit,
        };
        stop_receiving.cancel();
        try_join_all(receiving.into_iter().map(ended)).await?;
        Ok(exit)
    }

    async fn prepare(&self, client: &Client, stop: &CancellationToken) -> Result<Vec<Thread>, Fault> {
        let register = |number| client.register(&self.channel, listener_id(number));
        let listeners = stream::iter(0..self.bench.listeners()).map(register).buffered(AT_ONCE);
        listeners.try_for_each(|_| ready(Ok(()))).await?;
        self.receive(stop).await
    }

    /// Starts the threads that receive; their streams are open when this returns.
    async fn receive(&self, stop: &CancellationToken) -> Result<Vec<Thread>, Fault> {
        let mut threads = Vec::new();
        for thread in 0..self.bench.threads {
            let receivers = Receivers {
                bench: self.bench.clone(),
                thread,
                channel: self.channel.clone(),
                board: self.board.clone(),
                stop: stop.clone(),
            };
            let (open, is_open) = oneshot::channel();
            let context = self.context.clone();
            let handle = spawn_blocking(move || runtime()?.block_on(receivers.run(&context, open)));
            // one that never opens has failed, and says why
            match is_open.await {
                Ok(()) => threads.push(handle),
                Err(_) => ended(handle).await?,
            }
        }
        Ok(threads)
    }

    fn publish(&self, stop: &CancellationToken) -> Thread {
        let load = Load {
            bench: self.bench.clone(),
            channel: self.channel.clone(),
            board: self.board.clone(),
            stop: stop.clone(),
        };
        let context = self.context.clone();
        spawn_blocking(move || runtime()?.block_on(load.run(&context)))
    }

    /// Shows how it goes until the time is over or somebody interrupts.
    async fn watch_progress(&self) -> Exit {
        let bar = self.bar();
        let exit = tokio::select! {
            exit = self.interrupted.clone() => exit,
            () = sleep(self.bench.duration) => Exit::Done,
            () = self.show_progress(&bar) => Exit::Done,
        };
        bar.finish_and_clear();
        exit
    }

    async fn show_progress(&self, bar: &ProgressBar) {
        let begun = Instant::now();
        loop {
            sleep(TICK).await;
            bar.set_position(begun.elapsed().as_millis() as u64);
            bar.set_message(self.board.progress());
        }
    }

    fn bar(&self) -> ProgressBar {
        let target = match self.context.output.json() {
            true => ProgressDrawTarget::hidden(),
            // hidden by itself where stderr is no terminal
            false => ProgressDrawTarget::stderr(),
        };
        let style =
            ProgressStyle::with_template("{elapsed} {wide_bar} {msg}").expect("the template is sound");
        let bar = ProgressBar::with_draw_target(Some(self.bench.duration.as_millis() as u64), target);
        bar.with_style(style)
    }

    /// Waits until everything accepted has arrived, or nothing arrives any more.
    async fn drain(&self) {
        let expected = self.board.accepted() * self.bench.receivers_of_each();
        let (mut arrived, mut since) = (self.board.arrived(), Instant::now());
        while arrived < expected && since.elapsed() < PATIENCE {
            sleep(TICK / 10).await;
            if self.board.arrived() > arrived {
                (arrived, since) = (self.board.arrived(), Instant::now());
            }
        }
    }
}

async fn ended(thread: Thread) -> Result<(), Fault> {
    thread.await.map_err(panicked)?
}

fn panicked(panic: JoinError) -> Fault {
    Fault::Io { what: "a task of the bench".into(), cause: panic.into() }
}
