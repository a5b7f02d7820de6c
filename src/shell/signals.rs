//! What the operating system tells the engine: to end, or that the process which started it is gone.

use crossbeam::channel::{Receiver, bounded};

/// SIGTERM and SIGINT, each a unit in the channel.
pub(super) fn signals(
    runtime: &tokio::runtime::Runtime,
    until_stdin_closes: bool,
) -> std::io::Result<Receiver<()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let (sender, receiver) = bounded(4);
    if until_stdin_closes {
        let closed = sender.clone();
        std::thread::Builder::new()
            .name("stdin".to_owned())
            .spawn(move || {
                let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
                let _ = closed.try_send(());
            })?;
    }
    let _inside = runtime.enter();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    runtime.spawn(async move {
        loop {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            if sender.try_send(()).is_err() {
                return;
            }
        }
    });
    Ok(receiver)
}
