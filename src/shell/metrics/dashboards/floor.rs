//! The floor at a glance: agents, calls, and how the engine itself is.

use super::panel::{Dashboard, Form, Panel, Unit, panel};
use super::query::{gauge, quantile, rate, ratio, recorded, sum, times};
use crate::shell::metrics::names::{
    CounterName as C, GaugeName as G, SecondsName as S, TimingName as T,
};

pub(super) fn dashboard() -> Dashboard {
    Dashboard {
        uid: "tandem-floor",
        title: "Tandem / Floor",
        about: "Agents, calls and the engine at a glance.",
        choose: None,
        rows: vec![
            ("Now", now()),
            ("Agents", agents()),
            ("Calls", calls()),
            ("Engine", engine()),
        ],
    }
}

fn now() -> Vec<Panel> {
    let at_work = gauge(G::FloorAgents, "state=~\"ready|reserved|talking|wrap\"");
    vec![
        panel(Form::Flag, "Ready", Unit::Number, "What /readyz says: the floor turns, the store keeps up, SIP is bound, no drain.")
            .show(format!("min({})", gauge(G::EngineIsReady, "")), "ready"),
        panel(Form::Flag, "Dialling stopped by hand", Unit::Number, "Somebody said `tandem stop`; `tandem stop --resume` goes on.")
            .show(format!("max({})", gauge(G::FloorIsStopped, "")), "stopped")
            .one_is_bad(),
        panel(Form::Figure, "Agents at work", Unit::Number, "Ready, reserved, talking or in wrap-up.")
            .show(sum("", &at_work), "at work"),
        panel(Form::Figure, "Talking", Unit::Number, "Conversations.")
            .show(sum("", &gauge(G::CampaignTalking, "")), "talking"),
        panel(Form::Figure, "Occupancy, 5 min", Unit::Share, "Share of agents' time at work spent in calls and wrap-up. Above 0.9 for hours wears people out.")
            .show(format!("avg({})", recorded("instance:tandem_agent_occupancy:ratio5m", "")), "occupancy"),
        panel(Form::Figure, "Worst campaign's abandons, 1 h", Unit::Share, "Abandoned of all live answers, of the campaign with the highest share.")
            .show(format!("max({})", recorded("campaign:tandem_abandon:ratio1h", "")), "abandoned")
            .warn_from(0.02)
            .bad_from(0.03),
    ]
}

fn agents() -> Vec<Panel> {
    vec![
        panel(Form::Stacked, "Agents by state", Unit::Number, "Everybody who is logged in. Many ready and nobody talking: look at what bounds the campaigns.")
            .show(sum("state", &gauge(G::FloorAgents, "state!=\"offline\"")), "{{state}}"),
        panel(Form::Stacked, "Where agents' time goes", Unit::Amount, "Agents by state, averaged over the window: exact also for states shorter than a scrape.")
            .show(sum("state", &rate(S::AgentTime, "")), "{{state}}"),
        panel(Form::Lines, "Conversations and wrap-ups", Unit::Seconds, "How long they last.")
            .show(quantile(0.5, T::Talk, ""), "talk p50")
            .show(quantile(0.95, T::Talk, ""), "talk p95")
            .show(quantile(0.5, T::Wrap, ""), "wrap-up p50")
            .show(quantile(0.95, T::Wrap, ""), "wrap-up p95"),
        panel(Form::Lines, "Agents' sockets", Unit::PerSecond, "Log-ins and returns, and sockets that we closed. `too_slow`: the client does not read.")
            .show(sum("", &rate(C::DeskLogins, "")), "log-ins")
            .show(sum("", &rate(C::DeskResumes, "")), "returns")
            .show(sum("reason", &rate(C::DeskRefusedSockets, "")), "refused: {{reason}}")
            .show(sum("reason", &rate(C::DeskClosedSockets, "")), "closed: {{reason}}"),
        panel(Form::Lines, "Sessions", Unit::Number, "Agents with a socket, and agents whose socket is lost and who may come back.")
            .show(sum("", &gauge(G::DeskOpenSessions, "")), "open")
            .show(sum("", &gauge(G::DeskLostSessions, "")), "lost"),
        panel(Form::Lines, "Sent to agents", Unit::BytesPerSecond, "Bytes of messages given to the kernel.")
            .show(sum("", &rate(C::DeskSentBytes, "")), "sent"),
    ]
}

fn calls() -> Vec<Panel> {
    let connected = sum("", &rate(C::CampaignResults, "result=\"CONNECTED\""));
    let abandoned = sum("", &rate(C::CampaignAbandoned, ""));
    let ended = sum("", &rate(C::CampaignResults, ""));
    vec![
        panel(Form::Lines, "Calls now", Unit::Number, "Lines in the air, those of them that ring, people who wait for an agent, conversations.")
            .show(sum("", &gauge(G::CampaignInAir, "")), "in the air")
            .show(sum("", &gauge(G::CampaignRinging, "")), "ringing")
            .show(sum("", &gauge(G::CampaignWaiting, "")), "waiting")
            .show(sum("", &gauge(G::CampaignTalking, "")), "talking"),
        panel(Form::Stacked, "Attempts ended, by result", Unit::PerSecond, "TRUNK_FAIL and NOT_SENT say something about us, not about the list.")
            .show(sum("result", &rate(C::CampaignResults, "")), "{{result}}"),
        panel(Form::Lines, "Answered", Unit::Share, "Share of ended attempts in which a person answered.")
            .show(ratio(&format!("({connected} + {abandoned})"), &ended), "answered"),
        panel(Form::Lines, "Abandoned, 15 min", Unit::Share, "Of all live answers, by campaign. The line is the 3 % that most laws name; the window that counts is your law's.")
            .show(recorded("campaign:tandem_abandon:ratio15m", ""), "{{campaign}}")
            .warn_from(0.02)
            .bad_from(0.03),
        panel(Form::Lines, "From the answer to the screen", Unit::Seconds, "What the agent feels. Budget 250 ms; see the latency dashboard.")
            .show(quantile(0.5, T::AnswerToPaint, ""), "p50")
            .show(quantile(0.99, T::AnswerToPaint, ""), "p99")
            .bad_from(0.25),
        panel(Form::Stacked, "What bounds running campaigns", Unit::Number, "Campaigns by what keeps them from starting more lines. `agents` is health; `leads`, `trunks` and `cps` are not.")
            .show(sum("bound", &gauge(G::CampaignIsBound, "")), "{{bound}}"),
    ]
}

fn engine() -> Vec<Panel> {
    let fill = format!(
        "{} / {}",
        gauge(G::EngineQueueItems, ""),
        gauge(G::EngineQueueCapacity, "")
    );
    let memory = format!(
        "{} / {}",
        gauge(G::ProcessMemory, ""),
        gauge(G::EngineMemoryLimit, "")
    );
    let files = format!(
        "{} / {}",
        gauge(G::ProcessOpenFiles, ""),
        gauge(G::ProcessMaxFiles, "")
    );
    vec![
        panel(Form::Lines, "Turns of the floor", Unit::PerSecond, "What the floor decided on, by kind. It turns at least twice a second with nothing to do.")
            .show(sum("input", &times(T::FloorTurn, "")), "{{input}}"),
        panel(Form::Lines, "Length of a turn, p99", Unit::Seconds, "By kind of input. A turn above 1 ms delays everybody else.")
            .show(quantile(0.99, T::FloorTurn, "input"), "{{input}}")
            .warn_from(0.001)
            .bad_from(0.01),
        panel(Form::Lines, "Queues", Unit::Share, "How full each bounded queue is. Full means: refused, dropped or dialling stopped, each with a counter.")
            .show(format!("max by (queue) ({fill})"), "{{queue}}")
            .warn_from(0.5)
            .bad_from(0.75),
        panel(Form::Lines, "Refused and broken", Unit::PerSecond, "All of these should be zero.")
            .show(sum("lane", &rate(C::FloorRefusedInputs, "")), "refused inputs: {{lane}}")
            .show(sum("", &rate(C::FloorInvariantFaults, "")), "invariants broken")
            .show(sum("", &rate(C::DeskRefusedFacts, "")), "agents' facts refused")
            .show(sum("", &rate(C::SipFloorLost, "")), "legs' facts lost")
            .show(sum("", &rate(C::EngineLostLogLines, "")), "input log lines lost"),
        panel(Form::Stacked, "Processor, by thread", Unit::Amount, "Cores in use. A thread at 1 is at its end: the floor, the store's writer, SIP and media are one thread each.")
            .show(sum("thread", &rate(S::ThreadCpu, "")), "{{thread}}"),
        panel(Form::Lines, "Waiting for a processor, by thread", Unit::Amount, "Share of time in which a thread could have run and no core was free. Above some per cent the machine is too small, or shared.")
            .show(sum("thread", &rate(S::ThreadWait, "")), "{{thread}}")
            .warn_from(0.1),
        panel(Form::Lines, "Memory and files of their limits", Unit::Share, "Resident memory of what the process may have; open files of their limit.")
            .show(memory, "memory, {{instance}}")
            .show(files, "files, {{instance}}")
            .warn_from(0.7)
            .bad_from(0.85),
        panel(Form::Lines, "Memory", Unit::Bytes, "Resident memory.")
            .show(gauge(G::ProcessMemory, ""), "{{instance}}"),
    ]
}
