//! SIGTERM and Ctrl-C for the demo's processes: a callback on a thread of its own, once for each signal.

/// Calls `act` at every SIGTERM and SIGINT from now on. The process is no longer ended by them.
pub fn watch(act: impl Fn() + Send + 'static) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    let (mut terminate, mut interrupt) = {
        let _inside = runtime.enter();
        use tokio::signal::unix::{SignalKind, signal};
        (
            signal(SignalKind::terminate())?,
            signal(SignalKind::interrupt())?,
        )
    };
    std::thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            runtime.block_on(async {
                loop {
                    tokio::select! {
                        _ = terminate.recv() => act(),
                        _ = interrupt.recv() => act(),
                    }
                }
            });
        })?;
    Ok(())
}
