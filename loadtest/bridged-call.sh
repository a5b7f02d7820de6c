#!/bin/bash
# One bridged call of a minute between a real browser and the simulated phone network, judged by tshark's RTP stream analysis on the
# wire: packets that the engine lost or put out of order, and the jitter that it added to each direction.
#
#   loadtest/bridged-call.sh [SECONDS] [PROGRAM]     default: 60 target/release/tandem
#
# Needs node, web/node_modules (make setup), Chromium, tshark and the right to capture on lo (root). Prints one table and one line of
# JSON; exit code 1: something was lost, out of order, or more than 5 ms of jitter was added.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-60}
program=$(realpath "${2:-target/release/tandem}")
place=$(mktemp -d)
started=()
cleanup() {
  for pid in "${started[@]}"; do kill "$pid" 2>/dev/null || true; done
  wait 2>/dev/null || true
  rm -rf "$place"
}
trap cleanup EXIT

sip=15060 desk=15410 api=15400 carrier=15080
cat >"$place/tandem.toml" <<CONFIG
data_dir = "$place/data"
[sip]
listen = "127.0.0.1:$sip"
[media]
listen = "127.0.0.1"
port_first = 26000
port_last = 26099
agent_port = 26200
[desk]
listen = "127.0.0.1:$desk"
[api]
listen = "127.0.0.1:$api"
[[trunks]]
name = "simulated"
address = "127.0.0.1:$carrier"
channels_max = 10
cps_max = 10
[[campaigns]]
name = "TEST"
caller_id = "+842873000000"
state = "running"
window_from = "00:00"
window_until = "24:00"
CONFIG
printf 'campaign,cif,name,number\nTEST,1,Made Up,+84900000001\nTEST,2,Made Up Too,+84900000002\n' >"$place/leads.csv"
"$program" import "$place/leads.csv" --config "$place/tandem.toml" >/dev/null
token=$("$program" agent add minh --campaign TEST --config "$place/tandem.toml" | grep -oE '[0-9A-Za-z_-]{32,}' | head -1)

"$program" carrier --listen 127.0.0.1:$carrier --rtp-ports 24000-24099 --tone 1000 --answer-rate 1 --machine-rate 0 --busy-rate 0 \
  --reject-rate 0 --unavailable-rate 0 --invalid-rate 0 --callee-hangs-up 0 --ring-mean-s 0.5 --early-media-rate 0 >"$place/carrier.log" &
started+=($!)
"$program" serve "$place/tandem.toml" >"$place/engine.log" 2>&1 &
started+=($!)
for _ in $(seq 100); do grep -q "ready:" "$place/engine.log" && break; sleep 0.1; done
tshark -q -i lo -f "udp and (portrange 24000-24099 or portrange 26000-26099 or port 26200)" -w "$place/call.pcap" 2>/dev/null &
capture=$!
started+=("$capture")
sleep 1

settings=$(printf '{"api":"http://127.0.0.1:%s","socket":"ws://127.0.0.1:%s/agent","agent":"minh","token":"%s","chromium":"%s","talk_ms":%s}' \
  $api $desk "$token" "$(command -v chromium)" $((seconds * 1000)))
(cd web && node test/browser.mjs plain "$settings") >"$place/browser.log" || { cat "$place/browser.log" >&2; exit 1; }
sleep 1
kill -INT "$capture"
wait "$capture" 2>/dev/null || true

# SRTP leaves RTP's header as it is (RFC 3711 s.3.1), so the browser's side can be judged beside the trunk's.
tshark -r "$place/call.pcap" -d udp.port==24000-24099,rtp -d udp.port==26000-26099,rtp \
  --enable-heuristic rtp_udp -q -z rtp,streams 2>/dev/null | tee "$place/streams.txt"
python3 - "$place/streams.txt" "$seconds" <<'PYTHON'
import json, re, sys

streams = []
for line in open(sys.argv[1]):
    # start end source port destination port ssrc payload packets lost (%) min-delta mean max min-jitter mean max [problems]
    found = re.match(r"\s*[\d.]+\s+[\d.]+\s+(\S+)\s+(\d+)\s+(\S+)\s+(\d+)\s+(0x\w+)\s+(.*?)\s+(\d+)\s+(-?\d+) \(\S+\)\s+(.*)$", line)
    if found:
        numbers = [float(text) for text in re.findall(r"-?[\d.]+", found[9])]
        streams.append({"from": int(found[2]), "to": int(found[4]), "packets": int(found[7]), "lost": int(found[8]),
                        "jitter_mean_ms": numbers[4], "jitter_max_ms": numbers[5]})
seconds = int(sys.argv[2])
long = [stream for stream in streams if stream["packets"] > seconds * 40]
trunk = lambda port: 26000 <= port <= 26099
network = lambda port: 24000 <= port <= 24099
way = {}
for stream in long:
    if trunk(stream["from"]): way["to_customer"] = stream
    elif network(stream["from"]): way["from_customer"] = stream
    elif stream["to"] == 26200: way["from_agent"] = stream
    elif stream["from"] == 26200: way["to_agent"] = stream
assert len(way) == 4, f"expected one stream each way on each side: {streams}"
added = {"to_customer": way["to_customer"]["jitter_mean_ms"] - way["from_agent"]["jitter_mean_ms"],
         "to_agent": way["to_agent"]["jitter_mean_ms"] - way["from_customer"]["jitter_mean_ms"]}
print(json.dumps({"seconds": seconds, "streams": way, "jitter_added_ms": {name: round(ms, 3) for name, ms in added.items()}}))
ours = [way["to_customer"], way["to_agent"]]
good = all(stream["lost"] <= 0 for stream in ours) and all(ms < 5 for ms in added.values())
sys.exit(0 if good else 1)
PYTHON
