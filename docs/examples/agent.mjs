// A scripted agent in sixty lines: logs in, takes calls, paints each card, saves an outcome, comes back after a cut.
// Node 22: node agent.mjs ws://127.0.0.1:8090/agent NAME TOKEN [CALLS]     Node 20: node --experimental-websocket agent.mjs ...
const [url, agent, token, calls = "0"] = process.argv.slice(2);
if (!token) {
  console.error("usage: agent.mjs URL NAME TOKEN [CALLS]");
  process.exit(2);
}
let socket;
let session = null; // for resume
let handled = 0; // number of the last message that we handled
let request = 0; // our own numbers
let saved = 0;
let stop = false;

function say(message) {
  socket.send(JSON.stringify(message));
}

function connect() {
  socket = new WebSocket(url);
  // The token travels in the first message, never in the URL: URLs end up in logs.
  socket.onopen = () => {
    const hello = { type: "hello", version: 1, agent, token };
    if (session) hello.resume = { session, sequence: handled };
    say(hello);
  };
  socket.onmessage = (event) => hear(JSON.parse(event.data));
  socket.onclose = (event) => {
    console.log(JSON.stringify({ closed: event.code, reason: event.reason }));
    if (stop || [1000, 4001, 4003].includes(event.code)) process.exit(stop ? 0 : 1);
    setTimeout(connect, 200 + Math.random() * 800);
  };
  socket.onerror = () => {};
}

function hear(message) {
  console.log(JSON.stringify(message));
  switch (message.type) {
    case "welcome":
      session = message.session;
      say({ type: "state", request: ++request, to: "ready" });
      break;
    case "call.preview": // a lead before it is dialled: "dial" or "skip"
      say({ type: "dial", request: ++request, call: message.call });
      break;
    case "call.connected":
      say({ type: "painted", call: message.call, painted_at_ms: Date.now() });
      if (message.more?.includes("timeline")) {
        say({ type: "expand", request: ++request, call: message.call, card: "timeline" });
      }
      break;
    case "call.ended":
      say({ type: "outcome", request: ++request, call: message.call, code: "RPC_NO_COMMIT", note: "đã nói chuyện" });
      break;
    case "saved":
      if (++saved === Number(calls)) {
        stop = true;
        say({ type: "state", request: ++request, to: "offline" });
      }
      break;
  }
  // Last: what is not handled yet must be sent again after a cut.
  handled = message.sequence;
}

connect();
