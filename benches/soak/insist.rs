//! A call that is made until it is answered.

use crate::stage::Stage;
use std::time::Duration;
use tokio::time::sleep;
use tonic::Status;

/// Nobody is there to answer.
const PAUSE: Duration = Duration::from_millis(20);

/// The answer. `call` is told whether it was made before, and may have been heard then.
pub(crate) async fn insist<T>(
    stage: &Stage,
    mut call: impl AsyncFnMut(bool) -> Result<T, Status>,
) -> Result<T, Status> {
    let mut again = false;
    loop {
        match call(again).await {
            Err(status) if stage.excuses(&status) => again = true,
            answer => return answer,
        }
        sleep(PAUSE).await;
    }
}
