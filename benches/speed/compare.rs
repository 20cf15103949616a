//! How two loads are compared: by turns, so that whatever else the machine does hits both, and by the median.

use crate::{
    Outcome,
    args::Plan,
    child::Server,
    load::Load,
    proc::CpuTime,
    report::{Figure, Latency},
};
use std::time::{Duration, Instant};
use tokio::time::sleep;

/// A load and the server that it falls on.
pub(crate) struct Side<'a, L> {
    pub(crate) server: &'a Server,
    pub(crate) load: L,
}

/// The figures of both, in the order given.
pub(crate) async fn compare(
    plan: &Plan,
    mut one: Side<'_, impl Load>,
    mut other: Side<'_, impl Load>,
) -> Outcome<(Figure, Figure)> {
    one.measure(plan, plan.warm_up).await?;
    other.measure(plan, plan.warm_up).await?;
    one.load.take_latency();
    other.load.take_latency();
    let (mut of_one, mut of_other) = (Vec::new(), Vec::new());
    for _ in 0..plan.repetitions {
        of_one.push(one.measure(plan, plan.time).await?);
        of_other.push(other.measure(plan, plan.time).await?);
    }
    Ok((one.figure(&of_one), other.figure(&of_other)))
}

/// The figures of all, in the order given.
pub(crate) async fn compare_all<L: Load>(plan: &Plan, mut sides: Vec<Side<'_, L>>) -> Outcome<Vec<Figure>> {
    let mut samples: Vec<_> = sides.iter().map(|_| Vec::new()).collect();
    for side in &mut sides {
        side.measure(plan, plan.warm_up).await?;
        side.load.take_latency();
    }
    for _ in 0..plan.repetitions {
        for (side, samples) in sides.iter_mut().zip(&mut samples) {
            samples.push(side.measure(plan, plan.time).await?);
        }
    }
    Ok(sides.iter_mut().zip(&samples).map(|(side, samples)| side.figure(samples)).collect())
}

/// What one run came to.
struct Sample {
    cpu_micros: f64,
    per_second: f64,
}

impl<L: Load> Side<'_, L> {
    async fn measure(&mut self, plan: &Plan, time: Duration) -> Outcome<Sample> {
        self.load.prepare().await?;
        sleep(plan.settle).await;
        let (before, start) = (CpuTime::of(self.server.pid())?, Instant::now());
        let units = self.load.run(time).await? as f64;
        let elapsed = start.elapsed();
        // a thread that has gone to sleep has told all it used
        sleep(plan.settle).await;
        let cpu = CpuTime::of(self.server.pid())?.since(&before);
        Ok(Sample { cpu_micros: cpu.as_secs_f64() * 1e6 / units, per_second: units / elapsed.as_secs_f64() })
    }

    fn figure(&mut self, samples: &[Sample]) -> Figure {
        let per_second = median(samples.iter().map(|sample| sample.per_second));
        Figure {
            cpu_micros: median(samples.iter().map(|sample| sample.cpu_micros)),
            per_second: (!self.load.pauses()).then_some(per_second),
            latency: self.load.take_latency().map(|histogram| Latency::of(&histogram)),
        }
    }
}

/// The one in the middle.
pub(crate) fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<_> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
