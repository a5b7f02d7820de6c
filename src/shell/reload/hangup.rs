//! SIGHUP, which `systemctl reload` sends by custom: the configuration is read anew.

use super::{Asked, Asker, ReloadAct};
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// SIGHUP, caught: from here on it does not end the process.
#[derive(Debug)]
pub struct Hangups(Signal);

/// Catches SIGHUP. Those that come before [`Hangups::each`] are kept as one.
pub fn hangups(runtime: &Runtime) -> std::io::Result<Hangups> {
    let _inside = runtime.enter();
    signal(SignalKind::hangup()).map(Hangups)
}

impl Hangups {
    /// Reloads at each SIGHUP, one after the other; what came of it is in the log.
    pub fn each(mut self, runtime: &Runtime, reload: ReloadAct) {
        runtime.spawn(async move {
            let asked = Asked {
                by: Asker::Signal,
                dry_run: false,
            };
            while self.0.recv().await.is_some() {
                let act = reload.clone();
                // A panic there is in the log already; the next signal is another try.
                let _ = tokio::task::spawn_blocking(move || act(asked)).await;
            }
        });
    }
}
