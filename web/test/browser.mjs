// Drives a real browser through one scenario against a real engine, and tells what it saw as lines of JSON. Started by
// tests/browser (Rust), which holds it against what the far end heard:
//   node browser.mjs SCENARIO '{"api":"http://127.0.0.1:7400","socket":"ws://...","agent":"a","token":"t","chromium":"/usr/bin/chromium"}'
import { createSocket } from "node:dgram";
import { mkdirSync } from "node:fs";
import process from "node:process";
import { chromium } from "playwright-core";

const [scenario, text] = process.argv.slice(2);
const settings = JSON.parse(text);
const ARGS = [
  "--no-sandbox", "--disable-gpu", "--use-fake-device-for-media-stream", "--use-fake-ui-for-media-stream",
  "--autoplay-policy=no-user-gesture-required", "--disable-quic", "--no-first-run", "--disable-background-networking",
  "--disable-component-update", "--disable-sync",
];
/** Longest wait for anything that must happen. */
const LIMIT = 40_000;

const say = (mark, more = {}) => console.log(JSON.stringify({ mark, at: Date.now(), ...more }));
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

const browser = await chromium.launch({ executablePath: settings.chromium, headless: true, args: ARGS });
process.on("exit", () => browser.process?.()?.kill?.());
const context = await browser.newContext({ viewport: { width: 1366, height: 768 }, locale: "vi-VN", colorScheme: settings.dark ? "dark" : "light" });
const page = await context.newPage();
page.on("console", (message) => {
  if (message.type() === "error") say("console", { text: message.text() });
});
page.on("pageerror", (fault) => say("page_error", { text: String(fault) }));

/** A page of the engine's own origin with a softphone whose microphone is a tone; no desk is drawn. */
async function softphone(options = {}) {
  await page.goto(`${settings.api}/desk/`);
  await page.evaluate(
    async ({ socket, agent, token, options }) => {
      const { Softphone } = await import("/desk/softphone/dist/index.js");
      const sockets = [];
      const phone = new Softphone({
        url: socket, agent, token, microphone: { kind: "tone", hertz: 600 }, tones: false, levelsEveryMs: 0,
        socket: (url) => {
          const opened = new WebSocket(url);
          sockets.push(opened);
          return opened;
        },
        ...options,
      });
      Object.assign(window, { phone, sockets, told: [] });
      phone.on("error", ({ code, message }) => window.told.push(`${code}: ${message}`));
      await phone.logIn();
    },
    { socket: settings.socket, agent: settings.agent, token: settings.token, options },
  );
}

/** Waits until an expression about `phone` holds in the page. */
async function until(what, condition, argument) {
  try {
    await page.waitForFunction(condition, argument, { timeout: LIMIT, polling: 50 });
  } catch (fault) {
    const seen = await page.evaluate(() => ({ status: phone.status, state: phone.view.state, audio: phone.audio, told: window.told }));
    throw new Error(`never: ${what}; ${JSON.stringify(seen)}; ${fault}`);
  }
}

const audioUp = () => until("the leg is up", () => phone.audio.up);
const talking = () => until("a call", () => phone.view.state?.state === "talking" && phone.view.call !== null);
const painted = () => page.evaluate(() => phone.painted());

/** Passes the echo check and takes calls. */
async function checkedAndReady() {
  await audioUp();
  await page.evaluate(() => phone.checkAudio());
  await page.evaluate(() => phone.ready());
  say("ready");
}

/** Listens for so long; the share of looks in which the strongest frequency was `hertz`. */
async function hears(hertz, ms = 1_500) {
  return page.evaluate(
    async ([hertz, ms]) => {
      let looks = 0;
      let hits = 0;
      const until = performance.now() + ms;
      while (performance.now() < until) {
        await new Promise((resolve) => setTimeout(resolve, 50));
        const peak = phone.heardPeak();
        looks += 1;
        // One bin of the analyser is 47 Hz wide; a tone at -18 dBm0 stands far above -60 dB.
        hits += Math.abs(peak.hertz - hertz) < 60 && peak.db > -60 ? 1 : 0;
      }
      return hits / looks;
    },
    [hertz, ms],
  );
}

/** Ends the call and says what came of it. */
async function finish() {
  await page.evaluate(() => phone.hangUp());
  await page.evaluate(() => phone.outcome({ code: "RPC_NO_COMMIT" }));
}

/** The page's network as a UDP proxy between the browser and the engine, which can be cut. */
async function proxied() {
  const front = createSocket("udp4");
  await new Promise((resolve) => front.bind(0, "127.0.0.1", resolve));
  const network = { cut: false, port: front.address().port, engine: 0, dropped: 0 };
  const ways = new Map();
  front.on("message", (data, from) => {
    if (network.cut) return void (network.dropped += 1);
    const name = `${from.address}:${from.port}`;
    let way = ways.get(name);
    if (way === undefined) {
      way = createSocket("udp4");
      way.on("message", (back) => {
        if (network.cut) network.dropped += 1;
        else front.send(back, from.port, from.address);
      });
      way.on("error", () => undefined);
      ways.set(name, way);
    }
    way.send(data, network.engine, "127.0.0.1");
  });
  front.on("error", () => undefined);
  network.close = () => {
    front.close();
    for (const way of ways.values()) way.close();
  };
  await page.exposeFunction("engineIsAt", (port) => {
    network.engine = port;
    return network.port;
  });
  await page.addInitScript(() => {
    const original = RTCPeerConnection.prototype.setRemoteDescription;
    RTCPeerConnection.prototype.setRemoteDescription = async function (description) {
      const port = Number(/a=candidate:\S+ 1 udp \d+ \S+ (\d+) /i.exec(description.sdp)?.[1]);
      const own = await window.engineIsAt(port);
      const sdp = description.sdp.replaceAll(` ${port} typ`, ` ${own} typ`).replace(/m=audio \d+/, `m=audio ${own}`);
      return original.call(this, { type: description.type, sdp });
    };
  });
  return network;
}

const SCENARIOS = {
  /** Ready before the check is refused; then both directions, hold, mute, keys, and a cut of the socket, within one call. */
  async one_call() {
    await softphone();
    await audioUp();
    const refused = await page.evaluate(() => phone.ready().then(() => null, ({ code }) => code));
    say("ready_refused", { code: refused });
    await checkedAndReady();
    await talking();
    say("talking");
    await painted();
    say("heard", { share: await hears(1_000) });
    await page.evaluate(() => phone.hold(true));
    say("held");
    // What the browser's jitter buffer still holds is played out.
    await pause(700);
    say("heard_on_hold", { share: await hears(1_000, 2_000) });
    await page.evaluate(() => phone.hold(false));
    say("resumed");
    say("heard_after_hold", { share: await hears(1_000, 2_000) });
    await page.evaluate(() => phone.mute(true));
    say("muted");
    await pause(2_000);
    await page.evaluate(() => phone.mute(false));
    say("unmuted");
    await pause(2_000);
    await page.evaluate(() => phone.keys("12#"));
    say("keys");
    await pause(1_500);
    const before = await page.evaluate(() => phone.stats());
    await page.evaluate(() => window.dispatchEvent(new Event("online")));
    say("network_changed");
    await until("ICE was restarted", () => phone.audio.restarts === 1 && phone.audio.up);
    say("moved");
    say("heard_after_move", { share: await hears(1_000) });
    await page.evaluate(() => sockets.at(-1).close(4999));
    say("socket_cut");
    await until("it is noticed", () => phone.status === "reconnecting");
    say("heard_without_socket", { share: await hears(1_000, 400) });
    await until("the socket is back", () => phone.status === "online");
    say("socket_back", { sockets: await page.evaluate(() => sockets.length), call: await page.evaluate(() => phone.view.call?.call ?? null) });
    say("heard_after_cut", { share: await hears(1_000) });
    await pause(500);
    const after = await page.evaluate(() => phone.stats());
    say("same_leg", { before, after, audio: await page.evaluate(() => phone.audio) });
    await finish();
    say("finished");
  },

  /** One call that is recorded, with a pause in which keys are pressed and both go on speaking. */
  async recorded() {
    await softphone();
    await checkedAndReady();
    await talking();
    await painted();
    await until("it is recorded", () => phone.view.audio?.recording === "on");
    say("talking");
    await pause(3_000);
    await page.evaluate(() => phone.record("pause"));
    say("paused");
    await page.evaluate(() => phone.keys("4111#"));
    await pause(3_000);
    say("resume_asked");
    await page.evaluate(() => phone.record("resume"));
    say("resumed");
    await pause(3_000);
    say("ending");
    await finish();
    say("finished");
  },

  /** One call over a network that is cut for five seconds. */
  async flap() {
    const network = await proxied();
    await softphone();
    await checkedAndReady();
    await talking();
    await painted();
    say("talking");
    say("heard", { share: await hears(1_000) });
    network.cut = true;
    say("cut");
    await pause(5_000);
    network.cut = false;
    say("back", { dropped: network.dropped });
    await until("the leg is up again", () => phone.audio.up);
    say("up_again", { audio: await page.evaluate(() => phone.audio) });
    say("heard_again", { share: await hears(1_000, 2_000) });
    await pause(1_500);
    await finish();
    say("finished");
    network.close();
  },

  /** So many calls in a row on one leg. */
  async row() {
    await softphone();
    await checkedAndReady();
    const seen = [];
    for (let n = 0; n < settings.calls; n++) {
      await talking();
      await painted();
      await until("the customer is heard", () => {
        const peak = phone.heardPeak();
        return Math.abs(peak.hertz - 1_000) < 60 && peak.db > -60;
      });
      const { ssrcIn, ssrcOut, packetsLost } = await page.evaluate(() => phone.stats());
      seen.push({ call: await page.evaluate(() => phone.view.call.call), ssrcIn, ssrcOut, packetsLost });
      // Long enough at the far end for a frequency to be told.
      await pause(600);
      await finish();
      if (n + 1 < settings.calls) await page.evaluate(() => phone.ready());
    }
    say("row", { seen, audio: await page.evaluate(() => phone.audio) });
  },

  /** One plain call of a given length, for far ends of other kinds. */
  async plain() {
    await softphone();
    await checkedAndReady();
    await talking();
    await painted();
    say("talking");
    say("heard", { share: await hears(settings.hertz ?? 1_000, 2_000), peak: await page.evaluate(() => phone.heardPeak()) });
    await pause(settings.talk_ms ?? 2_000);
    say("stats", { figures: await page.evaluate(() => phone.stats()) });
    await finish();
    say("finished");
  },

  /** A person at the page: log-in, check, ready, card, outcome, all by keyboard where there is a key. */
  async desk() {
    const shots = settings.shots;
    if (shots) mkdirSync(shots, { recursive: true });
    const shot = async (name) => {
      if (shots) await page.screenshot({ path: `${shots}/${name}${settings.dark ? "-dark" : ""}.png` });
    };
    const sockets = { open: null, refused: false };
    await page.routeWebSocket(/\/agent$/, (socket) => {
      if (sockets.refused) return void socket.close({ code: 4999 });
      sockets.open = socket;
      socket.connectToServer();
    });
    await page.goto(`${settings.api}/desk/#agent=${settings.agent}`);
    await page.fill("input[name=token]", settings.token);
    await shot("login");
    if (settings.tone) await page.check("input[value=tone]");
    await page.press("input[name=token]", "Enter");
    await page.waitForSelector("#audio[data-up=true]", { timeout: LIMIT });
    await shot("check");
    await page.click("#check");
    await page.waitForSelector("#checked", { timeout: LIMIT });
    await page.waitForFunction(() => !softphone.audio.engine.checking, null, { timeout: LIMIT });
    say("checked");
    await shot("break");
    await page.keyboard.press("Control+Enter");
    await page.waitForSelector("#state[data-state=ready], #state[data-state=reserved], #state[data-state=talking]", { timeout: LIMIT });
    await shot("idle");
    await page.waitForSelector("#state[data-state=talking]", { timeout: LIMIT });
    await page.waitForSelector(".hero h1", { timeout: LIMIT });
    const meters = [];
    // The borrower's first word comes a third of a second after the answer, and is followed by others.
    for (let n = 0; n < 80; n++) {
      meters.push(await page.$$eval("[role=meter]", (list) => list.map((meter) => Number(meter.ariaValueNow))));
      await pause(50);
    }
    say("card", {
      name: await page.textContent(".hero h1"), shown: await page.evaluate(() => softphone.view.call.card.customer.name), meters,
      title: await page.title(), text: await page.textContent("main"),
    });
    await shot("connected");
    await page.keyboard.press("m");
    await page.waitForSelector("#mute[aria-pressed=true]", { timeout: LIMIT });
    await page.keyboard.press("m");
    await page.waitForSelector("#mute[aria-pressed=false]", { timeout: LIMIT });
    sockets.refused = true;
    await sockets.open.close({ code: 4999 });
    await page.waitForSelector(".banner:not([hidden])", { timeout: LIMIT });
    say("banner", { text: await page.textContent(".banner"), name: await page.textContent(".hero h1"), peer: await page.evaluate(() => softphone.audio.peer) });
    await shot("reconnecting");
    sockets.refused = false;
    await page.waitForSelector(".banner", { state: "hidden", timeout: LIMIT });
    await page.keyboard.press("k");
    await shot("keypad");
    await page.keyboard.press("k");
    await page.keyboard.press("1");
    await page.waitForSelector("form.outcome", { timeout: LIMIT });
    await shot("promise");
    const due = new Date(Date.now() + 3 * 86_400_000).toISOString().slice(0, 10);
    await page.fill("form.outcome input[name=due]", due);
    await page.press("form.outcome input[name=due]", "Enter");
    await page.waitForSelector("#saved", { timeout: LIMIT });
    say("saved");
    await page.keyboard.press("Control+Shift+E");
    await page.waitForSelector("#state[data-state=wrap], #state[data-state=ready]", { timeout: LIMIT });
    await shot("wrap");
    const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
    say("desk", { overflow, contrast: await contrasts() });
    await page.evaluate(() => softphone.break("lunch"));
    await page.click("#log-out");
    await page.waitForSelector("form.login", { timeout: LIMIT });
    say("finished");
  },
};

/** Texts of the page whose contrast is below WCAG AA (4.5; 3 for large text). */
function contrasts() {
  return page.evaluate(() => {
    const light = (colour) => {
      const [r, g, b] = colour.match(/[\d.]+/g).map(Number).map((c) => c / 255).map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
      return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const ground = (element) => {
      for (let at = element; at; at = at.parentElement) {
        const colour = getComputedStyle(at).backgroundColor;
        if (!/rgba\(.*, 0\)|transparent/.test(colour)) return colour;
      }
      return "rgb(255, 255, 255)";
    };
    const poor = [];
    for (const element of document.querySelectorAll("body *")) {
      const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim() !== "");
      if (!own || element.closest(".sr, [hidden]") || element.closest("[disabled]")) continue;
      const style = getComputedStyle(element);
      const [a, b] = [light(style.color), light(ground(element))].sort((x, y) => y - x);
      const ratio = (a + 0.05) / (b + 0.05);
      const size = parseFloat(style.fontSize);
      const large = size >= 24 || (size >= 18.66 && Number(style.fontWeight) >= 700);
      if (ratio < (large ? 3 : 4.5)) poor.push(`${element.tagName}.${element.className} ${ratio.toFixed(2)}: ${element.textContent.slice(0, 30)}`);
    }
    return poor;
  });
}

let code = 0;
try {
  await SCENARIOS[scenario]();
  say("done");
} catch (fault) {
  say("failed", { text: String(fault) });
  code = 1;
}
await browser.close();
process.exit(code);
