//! Client and server transactions (RFC 3261 s.17, RFC 6026): retransmission, absorption, and when to give up.
//!
//! I/O-free: told the time and the status, says what to do. Knows branches and octets, no calls.

use super::message::Method;
use crate::time::Mono;
use std::time::Duration;

/// Estimate of the round trip, RFC 3261 s.17.1.1.1.
pub const T1: Duration = Duration::from_millis(500);
/// Longest wait between retransmissions.
pub const T2: Duration = Duration::from_secs(4);
/// How long the network may keep a message.
pub const T4: Duration = Duration::from_secs(5);
/// 64 T1: timers B, D, F, H, J, L and M.
pub const GIVE_UP: Duration = Duration::from_secs(32);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ClientState {
    /// Calling or Trying: nothing came back.
    Waiting,
    /// A provisional answer came.
    Proceeding,
    /// A final answer other than 2xx to an INVITE, or any final answer to another request: copies of it are absorbed.
    Completed,
    /// A 2xx to an INVITE: further ones belong to the dialogs (RFC 6026 s.7.2).
    Accepted,
    /// Nothing more to do.
    Over,
}

/// What an answer means to its transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// A provisional answer.
    Provisional,
    /// The first final answer.
    Final,
    /// A copy of a final answer that was handled: an INVITE's ACK goes out again.
    Again,
    /// A 2xx to an INVITE behind its final answer: a copy or a fork; the dialogs know.
    AnswerAgain,
    /// Too late to matter.
    Nothing,
}

/// What a timer asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// Send the octets once more.
    Resend,
    /// Nobody answered within 64 T1.
    GaveUp,
    /// The transaction ended quietly.
    Over,
}

/// A request of ours and its answer.
#[derive(Clone, Debug)]
pub struct Client {
    branch: String,
    method: Method,
    cseq: u32,
    state: ClientState,
    is_reliable: bool,
    octets: Vec<u8>,
    resend: Option<(Mono, Duration)>,
    deadline: Option<Mono>,
}

impl Client {
    /// A request that is being sent now.
    pub fn start(
        now: Mono,
        method: Method,
        branch: String,
        cseq: u32,
        is_reliable: bool,
        octets: Vec<u8>,
    ) -> Client {
        Client {
            branch,
            method,
            cseq,
            state: ClientState::Waiting,
            is_reliable,
            octets,
            resend: (!is_reliable).then(|| (now + T1, T1)),
            deadline: Some(now + GIVE_UP),
        }
    }

    /// An INVITE that an earlier process sent and that may be ringing: only its end is awaited, until 64 T1 from now.
    pub fn adopt(now: Mono, branch: String, cseq: u32, is_reliable: bool) -> Client {
        Client {
            branch,
            method: Method::INVITE,
            cseq,
            state: ClientState::Proceeding,
            is_reliable,
            octets: Vec::new(),
            resend: None,
            deadline: Some(now + GIVE_UP),
        }
    }

    /// Branch of its topmost Via.
    pub fn branch(&self) -> &str {
        &self.branch
    }

    /// CSeq number.
    pub const fn cseq(&self) -> u32 {
        self.cseq
    }

    /// What to send: the request, or the ACK once an INVITE failed.
    pub fn octets(&self) -> &[u8] {
        &self.octets
    }

    /// Whether an answer with this branch, number and method is to this request (RFC 3261 s.17.1.3).
    pub fn matches(&self, branch: &str, cseq: u32, method: &Method) -> bool {
        self.branch == branch && self.cseq == cseq && self.method == *method
    }

    /// Whether a provisional answer came and no final one.
    pub fn is_proceeding(&self) -> bool {
        self.state == ClientState::Proceeding
    }

    /// Whether no final answer came.
    pub fn is_pending(&self) -> bool {
        matches!(self.state, ClientState::Waiting | ClientState::Proceeding)
    }

    /// Whether it holds timers or absorbs anything.
    pub fn is_alive(&self) -> bool {
        self.state != ClientState::Over
    }

    /// Takes an answer up.
    pub fn hear(&mut self, now: Mono, status: u16) -> Heard {
        let is_invite = self.method == Method::INVITE;
        let is_answer = is_invite && (200..300).contains(&status);
        match self.state {
            ClientState::Waiting | ClientState::Proceeding if status < 200 => {
                self.state = ClientState::Proceeding;
                if is_invite {
                    // Timers A and B stop; how long it may ring is the caller's business.
                    self.resend = None;
                    self.deadline = None;
                } else if self.resend.is_some() {
                    self.resend = Some((now + T2, T2));
                }
                Heard::Provisional
            }
            ClientState::Waiting | ClientState::Proceeding if is_answer => {
                self.state = ClientState::Accepted;
                self.octets = Vec::new();
                self.resend = None;
                self.deadline = Some(now + GIVE_UP);
                Heard::Final
            }
            ClientState::Waiting | ClientState::Proceeding => {
                self.state = ClientState::Completed;
                self.octets = Vec::new();
                self.resend = None;
                let absorb = match (self.is_reliable, is_invite) {
                    (true, _) => Duration::ZERO,
                    (false, true) => GIVE_UP,
                    (false, false) => T4,
                };
                self.deadline = Some(now + absorb);
                Heard::Final
            }
            ClientState::Completed | ClientState::Accepted | ClientState::Over if is_answer => {
                Heard::AnswerAgain
            }
            ClientState::Completed if status >= 300 && is_invite => Heard::Again,
            ClientState::Completed | ClientState::Accepted | ClientState::Over => Heard::Nothing,
        }
    }

    /// Keeps the ACK of a failed INVITE, for the copies of the failure.
    pub fn keep_ack(&mut self, octets: Vec<u8>) {
        self.octets = octets;
    }

    /// Sends no more copies; an answer is still heard until 64 T1.
    pub fn stop_resending(&mut self) {
        self.resend = None;
    }

    /// Ends it at once: the request never left.
    pub fn stop(&mut self) {
        self.state = ClientState::Over;
        self.resend = None;
        self.deadline = None;
        self.octets = Vec::new();
    }

    /// When it wants to be asked again.
    pub fn next_timeout(&self) -> Option<Mono> {
        earliest([self.resend.map(|(at, _)| at), self.deadline])
    }

    /// What is due at `now`; ask until `None`.
    pub fn handle_timeout(&mut self, now: Mono) -> Option<Due> {
        if self.deadline.is_some_and(|at| at <= now) {
            let gave_up = self.is_pending();
            self.stop();
            return Some(if gave_up { Due::GaveUp } else { Due::Over });
        }
        let (at, wait) = self.resend?;
        if at > now {
            return None;
        }
        // Timer A doubles without bound (its transaction ends first); timer E stops at T2.
        let longer = wait * 2;
        let wait = if self.method == Method::INVITE {
            longer
        } else {
            longer.min(T2)
        };
        self.resend = Some((now + wait, wait));
        Some(Due::Resend)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ServerState {
    /// The answer went out; a non-2xx to an INVITE, or any answer to another request.
    Completed,
    /// A 2xx to an INVITE that waits for its ACK.
    Accepted,
    /// The ACK came.
    Confirmed,
    /// Nothing more to do.
    Over,
}

/// A request of the far end's and our answer.
#[derive(Clone, Debug)]
pub struct Server<To> {
    id: String,
    method: Method,
    cseq: u32,
    state: ServerState,
    octets: Vec<u8>,
    to: To,
    resend: Option<(Mono, Duration)>,
    deadline: Option<Mono>,
}

impl<To: Copy> Server<To> {
    /// A request that is answered now, finally. `id` tells it from others: branch and sent-by of its topmost Via.
    #[expect(clippy::too_many_arguments, reason = "each is a part of one answer")]
    pub fn answered(
        now: Mono,
        id: String,
        method: Method,
        cseq: u32,
        status: u16,
        octets: Vec<u8>,
        to: To,
        is_reliable: bool,
    ) -> Server<To> {
        let is_invite = method == Method::INVITE;
        let is_2xx = (200..300).contains(&status);
        Server {
            state: if is_invite && is_2xx {
                ServerState::Accepted
            } else {
                ServerState::Completed
            },
            // A 2xx is sent again also over TCP, for the hops behind it (RFC 3261 s.13.3.1.4).
            resend: (is_invite && (is_2xx || !is_reliable)).then(|| (now + T1, T1)),
            deadline: Some(now + GIVE_UP),
            id,
            method,
            cseq,
            octets,
            to,
        }
    }

    /// Whether a request is a copy of this one.
    pub fn is_copy(&self, id: &str, method: &Method) -> bool {
        self.id == id && self.method == *method && self.state != ServerState::Over
    }

    /// Whether a CANCEL is aimed at this one.
    pub fn is_cancelled_by(&self, id: &str) -> bool {
        self.id == id && self.method == Method::INVITE
    }

    /// The answer.
    pub fn octets(&self) -> &[u8] {
        &self.octets
    }

    /// Where the answer goes.
    pub const fn destination(&self) -> To {
        self.to
    }

    /// Whether a 2xx still waits for its ACK.
    pub fn awaits_ack(&self) -> bool {
        self.state == ServerState::Accepted
    }

    /// Takes an ACK up by its CSeq number; whether it confirmed this transaction just now.
    pub fn confirm(&mut self, now: Mono, cseq: u32) -> bool {
        let fits = self.method == Method::INVITE
            && self.cseq == cseq
            && matches!(self.state, ServerState::Accepted | ServerState::Completed);
        if fits {
            self.state = ServerState::Confirmed;
            self.resend = None;
            self.deadline = Some(now + T4);
        }
        fits
    }

    /// When it wants to be asked again.
    pub fn next_timeout(&self) -> Option<Mono> {
        earliest([self.resend.map(|(at, _)| at), self.deadline])
    }

    /// What is due at `now`; `GaveUp`: a 2xx was never acknowledged.
    pub fn handle_timeout(&mut self, now: Mono) -> Option<Due> {
        if self.deadline.is_some_and(|at| at <= now) {
            let gave_up = self.state == ServerState::Accepted;
            self.state = ServerState::Over;
            self.resend = None;
            self.deadline = None;
            return Some(if gave_up { Due::GaveUp } else { Due::Over });
        }
        let (at, wait) = self.resend?;
        if at > now {
            return None;
        }
        let wait = (wait * 2).min(T2);
        self.resend = Some((now + wait, wait));
        Some(Due::Resend)
    }

    /// Whether it holds timers or absorbs anything.
    pub fn is_alive(&self) -> bool {
        self.state != ServerState::Over
    }
}

/// The earliest of some instants.
pub fn earliest(instants: impl IntoIterator<Item = Option<Mono>>) -> Option<Mono> {
    instants.into_iter().flatten().min()
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Mono = Mono::from_secs(100);

    fn client(method: Method, is_reliable: bool) -> Client {
        Client::start(
            START,
            method,
            "z9hG4bKx".to_owned(),
            1,
            is_reliable,
            vec![1],
        )
    }

    /// Milliseconds after the start at which it was sent again, and how and when it ended.
    fn run(client: &mut Client) -> (Vec<u64>, Option<(u64, Due)>) {
        let mut resent = Vec::new();
        while let Some(at) = client.next_timeout() {
            let after = at.since(START).as_millis() as u64;
            match client.handle_timeout(at) {
                Some(Due::Resend) => resent.push(after),
                Some(end) => return (resent, Some((after, end))),
                None => panic!("a timeout without anything due"),
            }
        }
        (resent, None)
    }

    #[test]
    fn an_unanswered_invite_is_sent_seven_times_in_32_seconds() {
        let (resent, end) = run(&mut client(Method::INVITE, false));
        assert_eq!(resent, [500, 1_500, 3_500, 7_500, 15_500, 31_500]);
        assert_eq!(end, Some((32_000, Due::GaveUp)));
        assert_eq!(
            run(&mut client(Method::INVITE, true)),
            (vec![], Some((32_000, Due::GaveUp)))
        );
    }

    #[test]
    fn an_unanswered_bye_is_sent_eleven_times_in_32_seconds() {
        let (resent, end) = run(&mut client(Method::BYE, false));
        assert_eq!(
            resent,
            [
                500, 1_500, 3_500, 7_500, 11_500, 15_500, 19_500, 23_500, 27_500, 31_500
            ]
        );
        assert_eq!(end, Some((32_000, Due::GaveUp)));
    }

    #[test]
    fn a_ringing_invite_waits_without_timers() {
        let mut invite = client(Method::INVITE, false);
        assert_eq!(invite.hear(START + T1, 100), Heard::Provisional);
        assert_eq!(invite.next_timeout(), None);
        assert!(invite.is_proceeding());
    }

    #[test]
    fn a_failed_invite_absorbs_copies_for_32_seconds_and_a_stray_answer_is_passed_on() {
        let mut invite = client(Method::INVITE, false);
        assert_eq!(invite.hear(START, 486), Heard::Final);
        invite.keep_ack(vec![2]);
        assert_eq!(invite.hear(START, 486), Heard::Again);
        assert_eq!(invite.octets(), [2]);
        assert_eq!(invite.hear(START, 200), Heard::AnswerAgain);
        assert_eq!(invite.hear(START, 180), Heard::Nothing);
        assert_eq!(run(&mut invite), (vec![], Some((32_000, Due::Over))));
        let mut over_tcp = client(Method::INVITE, true);
        assert_eq!(over_tcp.hear(START, 486), Heard::Final);
        assert_eq!(run(&mut over_tcp), (vec![], Some((0, Due::Over))));
    }

    #[test]
    fn an_answered_invite_passes_every_further_answer_on() {
        let mut invite = client(Method::INVITE, false);
        assert_eq!(invite.hear(START, 200), Heard::Final);
        assert_eq!(invite.hear(START, 200), Heard::AnswerAgain);
        assert_eq!(invite.hear(START, 486), Heard::Nothing);
        assert_eq!(run(&mut invite), (vec![], Some((32_000, Due::Over))));
        assert_eq!(invite.hear(START, 200), Heard::AnswerAgain);
    }

    #[test]
    fn a_pending_bye_slows_down_to_t2() {
        let mut bye = client(Method::BYE, false);
        assert_eq!(bye.hear(START, 100), Heard::Provisional);
        assert_eq!(bye.next_timeout(), Some(START + T2));
    }

    #[test]
    fn our_answer_to_an_invite_is_repeated_until_its_ack() {
        let mut server = Server::answered(
            START,
            "x".to_owned(),
            Method::INVITE,
            4,
            200,
            vec![1],
            (),
            true,
        );
        assert_eq!(server.handle_timeout(START + T1), Some(Due::Resend));
        assert!(!server.confirm(START + T1, 3));
        assert!(server.confirm(START + T1, 4));
        assert!(!server.confirm(START + T1, 4));
        assert_eq!(server.next_timeout(), Some(START + T1 + T4));
        let mut never = Server::answered(
            START,
            "x".to_owned(),
            Method::INVITE,
            4,
            200,
            vec![1],
            (),
            false,
        );
        assert_eq!(never.handle_timeout(START + GIVE_UP), Some(Due::GaveUp));
    }

    #[test]
    fn our_answer_to_a_bye_is_kept_for_its_copies_only() {
        let mut server = Server::answered(
            START,
            "x".to_owned(),
            Method::BYE,
            4,
            200,
            vec![1],
            (),
            false,
        );
        assert!(server.is_copy("x", &Method::BYE) && !server.is_copy("x", &Method::INVITE));
        assert_eq!(server.next_timeout(), Some(START + GIVE_UP));
        assert_eq!(server.handle_timeout(START + GIVE_UP), Some(Due::Over));
        assert!(!server.is_alive());
    }
}
