//! `[pages]`: whether the engine serves the agents' page, and where that page finds the agents' socket.

use super::reader::{Section, Sink};

/// The pages that the engine serves on the API's listener.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PagesConfig {
    /// Whether `/desk/` is served. Default true.
    pub desk: bool,
    /// The agents' socket as browsers reach it, `wss://desk.bank.example/agent`. `None`: the host of the page, the port of
    /// `desk.listen`.
    pub socket_url: Option<String>,
}

impl Default for PagesConfig {
    fn default() -> Self {
        PagesConfig {
            desk: true,
            socket_url: None,
        }
    }
}

/// Reads the section.
pub(super) fn read(mut section: Section<'_>, sink: &mut Sink<'_>) -> PagesConfig {
    let expected = "a websocket address, \"wss://desk.bank.example/agent\"";
    let desk = section.flag(sink, "desk", true);
    let socket_url = section.text(sink, "socket_url", expected).and_then(|text| {
        if is_socket_url(text.value) {
            return Some(text.value.to_owned());
        }
        let what = format!("is \"{}\"", text.value);
        sink.fault(
            text.at,
            section.name("socket_url"),
            what,
            Some(expected.into()),
        );
        None
    });
    section.finish(sink);
    PagesConfig { desk, socket_url }
}

/// It becomes part of a header (the policy of the page), so only what an address needs is let in.
fn is_socket_url(text: &str) -> bool {
    let rest = text
        .strip_prefix("wss://")
        .or_else(|| text.strip_prefix("ws://"));
    rest.is_some_and(|rest| {
        rest.starts_with(|first: char| first.is_ascii_alphanumeric())
            && rest
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | ':' | '/' | '_'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_websocket_addresses_are_taken() {
        for good in ["wss://desk.bank.example/agent", "ws://127.0.0.1:7410/agent"] {
            assert!(is_socket_url(good), "{good}");
        }
        for bad in [
            "https://desk.bank.example/agent",
            "wss://",
            "wss:///agent",
            "wss://desk.bank.example/agent; script-src *",
            "wss://desk.bank.example/agent?token=1",
        ] {
            assert!(!is_socket_url(bad), "{bad}");
        }
    }
}
