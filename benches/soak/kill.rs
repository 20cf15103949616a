//! The server is killed at any moment, and started again.

use crate::{road::Outcome, stage::Stage, victim::Victim};
use std::time::Duration;
use tokio::time::sleep;

/// So often; then it serves.
pub(crate) async fn kill(stage: &Stage, victim: &mut Victim, kills: u32) -> Outcome {
    let mut rng = stage.rng(90_003);
    for _ in 0..kills {
        // also before it serves
        if rng.u8(..8) > 0 {
            victim.serves().await?;
        }
        sleep(Duration::from_millis(life(&mut rng))).await;
        stage.crash();
        victim.kill()?;
        victim.again().await?;
    }
    victim.serves().await
}

/// Mostly short; now and then so long that what was acknowledged at its beginning must be safe.
fn life(rng: &mut fastrand::Rng) -> u64 {
    match rng.u8(..10) {
        0..2 => rng.u64(..30),
        2..8 => rng.u64(30..500),
        _ => rng.u64(1_000..2_500),
    }
}
