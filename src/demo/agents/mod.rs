//! Scripted agents: real websockets, the public agent protocol, people made of chance. For the demo, tests and the load test.
//!
//! - [`script`] one agent's mind: messages in, messages and intentions out; [`outcomes`] what it says of a call
//! - [`figures`] what all of them saw
//!
//! A [`Crowd`] runs on one thread of its own. It keeps no secret of the engine's: tokens come in, nothing is logged.

pub mod figures;
pub mod outcomes;
pub mod script;

use crate::pii::Pii;
use crate::shell::lanes::Clock;
use figures::{AgentFigures, Figures};
use futures_util::{SinkExt, StreamExt};
use script::{Script, Wish};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error as SocketError, Message};

/// First wait before a lost socket is opened again; doubles up to [`RETRY_MAX`].
const RETRY_FIRST: Duration = Duration::from_millis(100);
/// Longest such wait, at ordinary speed.
const RETRY_MAX: Duration = Duration::from_secs(5);
/// Longest wait for a socket and its handshake.
const CONNECT_MAX: Duration = Duration::from_secs(10);
/// Largest message of the engine that a client takes: the largest card is 8 KiB.
const MESSAGE_MAX: usize = 64 * 1_024;

/// How agents behave. Times are means in seconds, divided by `speed`; shares are 0..=1 per call.
#[derive(Clone, Debug, PartialEq)]
pub struct Habits {
    /// Until the agent hangs up.
    pub talk_mean_s: f64,
    /// Its coefficient of variation (domain.md: about 1.2).
    pub talk_cv: f64,
    /// From the end of the conversation to the outcome.
    pub wrap_mean_s: f64,
    /// From the card's arrival to its paint: a browser needs 10 to 40 ms.
    pub paint_mean_s: f64,
    /// Opens a further card.
    pub expand_share: f64,
    /// Takes a break afterwards.
    pub break_share: f64,
    /// Length of a break.
    pub break_mean_s: f64,
    /// Loses its socket during the call, and resumes.
    pub lose_socket_share: f64,
    /// All times are divided by this.
    pub speed: f64,
}

impl Default for Habits {
    fn default() -> Self {
        Habits {
            talk_mean_s: 60.0,
            talk_cv: 1.2,
            wrap_mean_s: 8.0,
            paint_mean_s: 0.025,
            expand_share: 0.3,
            break_share: 0.03,
            break_mean_s: 30.0,
            lose_socket_share: 0.0,
            speed: 1.0,
        }
    }
}

/// An agent to be.
#[derive(Clone, Debug)]
pub struct AgentLogin {
    /// Log-in name.
    pub name: String,
    /// Token.
    pub token: Pii<String>,
}

/// What the crowd is asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Work,
    /// The shift ends: long conversations come to their end.
    Hurry,
    /// Finish the call and its outcome, then log out.
    Leave,
    /// Drop everything.
    Stop,
}

/// Agents at work, on one thread.
#[derive(Debug)]
pub struct Crowd {
    figures: Arc<Figures>,
    orders: watch::Sender<Order>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Crowd {
    /// Starts one agent for each log-in, against `url` ("ws://127.0.0.1:7410/agent"). Log-ins are spread over `spread`:
    /// 2,000 handshakes in one instant are no shift start.
    pub fn start(
        url: &str,
        logins: Vec<AgentLogin>,
        habits: Habits,
        seed: u64,
        spread: Duration,
    ) -> std::io::Result<Crowd> {
        let figures = Arc::new(Figures::new());
        let (orders, watch) = watch::channel(Order::Work);
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let url: Arc<str> = url.into();
        let shared = Arc::clone(&figures);
        let thread = std::thread::Builder::new()
            .name("agents".to_owned())
            .spawn(move || {
                runtime.block_on(async move {
                    let clock = Clock::new();
                    let count = logins.len().max(1) as u32;
                    let mut agents = tokio::task::JoinSet::new();
                    for (place, login) in logins.into_iter().enumerate() {
                        let script = Script::new(
                            login.name,
                            login.token,
                            habits.clone(),
                            seed,
                            Arc::clone(&shared),
                        );
                        let agent = Agent {
                            script,
                            clock,
                            url: Arc::clone(&url),
                            orders: watch.clone(),
                            retry_max: RETRY_MAX.div_f64(habits.speed.max(1.0)),
                            leaving: false,
                        };
                        agents.spawn(agent.run(spread * place as u32 / count));
                    }
                    while agents.join_next().await.is_some() {}
                });
            })?;
        Ok(Crowd {
            figures,
            orders,
            thread: Some(thread),
        })
    }

    /// What they saw so far.
    pub fn figures(&self) -> AgentFigures {
        self.figures.snapshot()
    }

    /// Calls whose outcome the engine said is saved: what must be on its disk, whatever happens to it.
    pub fn saved_calls(&self) -> Vec<String> {
        self.figures.saved_calls()
    }

    /// What happened since the last call, oldest first.
    pub fn take_events(&self) -> Vec<figures::AgentEvent> {
        self.figures.take_events()
    }

    /// Asks everybody to bring conversations to an end; calls are still taken.
    pub fn hurry(&self) {
        // Nobody listens: all agents are gone already.
        let _ = self.orders.send(Order::Hurry);
    }

    /// Lets everybody finish and log out; after `patience` sockets are dropped. Returns the figures.
    pub fn leave(mut self, patience: Duration) -> AgentFigures {
        // Nobody listens: all agents are gone already.
        let _ = self.orders.send(Order::Leave);
        let until = std::time::Instant::now() + patience;
        while self
            .thread
            .as_ref()
            .is_some_and(|thread| !thread.is_finished())
            && std::time::Instant::now() < until
        {
            std::thread::sleep(Duration::from_millis(20));
        }
        self.stop();
        self.figures.snapshot()
    }

    fn stop(&mut self) {
        let _ = self.orders.send(Order::Stop);
        if self
            .thread
            .take()
            .is_some_and(|thread| thread.join().is_err())
        {
            tracing::error!("The scripted agents ended by a panic.");
        }
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.stop();
    }
}

/// One agent's task: the script, and sockets for it.
struct Agent {
    script: Script,
    clock: Clock,
    url: Arc<str>,
    orders: watch::Receiver<Order>,
    leaving: bool,
    /// Longest wait before a lost socket is opened again.
    retry_max: Duration,
}

/// Why a socket's turn is over.
enum Ended {
    /// Connect again.
    Lost,
    /// Done for today.
    Left,
}

impl Agent {
    async fn run(mut self, first: Duration) {
        let mut retry = RETRY_FIRST;
        tokio::time::sleep(first).await;
        loop {
            let began = self.clock.mono();
            if let Ended::Left = self.one_socket().await {
                return;
            }
            self.script.socket_lost();
            if self.clock.mono().since(began) > self.retry_max {
                retry = RETRY_FIRST;
            }
            let mut orders = self.orders.clone();
            tokio::select! {
                () = tokio::time::sleep(retry) => {}
                _ = orders.wait_for(|order| *order == Order::Stop) => return,
            }
            retry = (retry * 2).min(self.retry_max);
        }
    }

    async fn one_socket(&mut self) -> Ended {
        let config = WebSocketConfig::default()
            .read_buffer_size(4_096)
            .write_buffer_size(0)
            .max_message_size(Some(MESSAGE_MAX));
        let connect =
            tokio_tungstenite::connect_async_with_config(self.url.as_ref(), Some(config), true);
        let mut socket = match tokio::time::timeout(CONNECT_MAX, connect).await {
            Ok(Ok((socket, _))) => socket,
            Ok(Err(_)) | Err(_) => {
                return if matches!(*self.orders.borrow(), Order::Work | Order::Hurry) {
                    Ended::Lost
                } else {
                    Ended::Left
                };
            }
        };
        let mut wishes = vec![Wish::Send(self.script.hello())];
        loop {
            for wish in wishes.drain(..) {
                match wish {
                    Wish::Send(message) => {
                        let Ok(text) = serde_json::to_string(&message) else {
                            continue;
                        };
                        if socket.send(Message::text(text)).await.is_err() {
                            return Ended::Lost;
                        }
                    }
                    Wish::Drop => return Ended::Lost,
                    Wish::Leave => return Ended::Left,
                }
            }
            let wake = self.script.next_timeout().map(|at| self.clock.instant(at));
            tokio::select! {
                message = socket.next() => match message {
                    Some(Ok(Message::Text(text))) => self.script.hear(self.clock.now(), &text, &mut wishes),
                    // tungstenite answers pings by itself.
                    Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Binary(_) | Message::Frame(_))) => {}
                    Some(Ok(Message::Close(_))) | Some(Err(SocketError::ConnectionClosed)) | None => return Ended::Lost,
                    Some(Err(_)) => return Ended::Lost,
                },
                () = sleep_until(wake) => self.script.handle_timeout(self.clock.now(), &mut wishes),
                changed = self.orders.changed() => {
                    let order = *self.orders.borrow();
                    match order {
                        Order::Leave if !self.leaving => {
                            self.leaving = true;
                            self.script.leave(self.clock.mono(), &mut wishes);
                        }
                        Order::Hurry => self.script.hurry(self.clock.mono()),
                        Order::Stop => return Ended::Left,
                        Order::Work | Order::Leave => {}
                    }
                    if changed.is_err() {
                        return Ended::Left;
                    }
                }
            }
        }
    }
}

async fn sleep_until(at: Option<std::time::Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}
