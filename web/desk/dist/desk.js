/** The desk: state, card, call, audio and outcome of one agent. Draws what the softphone's view says; decides nothing. */
import { FLOOR_DB, SoftphoneError, share } from "../../softphone/dist/index.js";
import { drawCard } from "./card.js";
import { Panel, fill, h } from "./dom.js";
import { clock } from "./format.js";
import { DEAD_MS, drawButtons, drawForm, hotCodes } from "./outcome.js";
import { words } from "./words.js";
const KEYS = ["1", "2", "3", "4", "5", "6", "7", "8", "9", "*", "0", "#"];
/** One agent's desk. */
export class Desk {
    phone;
    language;
    /** What is put into the page. */
    elements;
    #text;
    #banner = h("div", { class: "banner", role: "status", hidden: true });
    #told = h("p", { class: "sr", role: "status" });
    #top = new Panel(h("header", { class: "top" }));
    #left = new Panel(h("div", { class: "left" }));
    #call = new Panel(h("section", { class: "card callbar", hidden: true }));
    #audio = new Panel(h("section", { class: "card stack", "aria-label": "audio" }));
    #state = new Panel(h("section", { class: "card stack" }));
    #outcome = new Panel(h("section", { class: "card stack", hidden: true }));
    #trouble = h("p", { class: "note stop", role: "alert", hidden: true });
    #clock = h("span", { class: "clock num", role: "timer" });
    #since = h("span", { class: "num" });
    #mine = meter();
    #theirs = meter();
    #chosen = null;
    #note = "";
    #keypad = false;
    #checkFailed = false;
    #starting = null;
    #painted = null;
    #shownAt = 0;
    #drawn = 0;
    #off = [];
    #timer;
    constructor(phone, language) {
        this.phone = phone;
        this.language = language;
        this.#text = words(language);
        this.#mine.setAttribute("aria-label", this.#text.you);
        this.#theirs.setAttribute("aria-label", this.#text.customer);
        const main = h("main", { class: "desk" }, this.#left.element, h("div", { class: "rail" }, this.#call.element, this.#trouble, this.#outcome.element, this.#audio.element, this.#state.element));
        this.elements = [this.#top.element, this.#banner, this.#told, main];
        this.#off.push(phone.on("view", () => this.#draw()), phone.on("audio", () => this.#draw()), phone.on("status", () => this.#draw()), phone.on("devices", () => this.#redraw()), phone.on("error", (fault) => {
            if (["microphone_refused", "microphone_absent", "insecure_page", "audio_failed"].includes(fault.code))
                this.#starting = fault.message;
            this.#tell(fault);
        }), phone.on("call", (call) => {
            this.#chosen = null;
            this.#note = "";
            this.#keypad = false;
            this.#trouble.hidden = true;
            this.#shownAt = performance.now();
            const due = call.loan?.due === undefined ? "" : `, ${this.#text.due} ${call.loan.due}`;
            // One polite sentence for a screen reader: who, how much, what must not be said.
            this.#told.textContent = [`${this.#text.callOf}: ${call.customer.name}${due}`, ...(call.risk?.flags ?? []), ...(call.care ?? [])].join(". ");
        }), phone.on("levels", ({ microphoneDb, customerDb }) => {
            setLevel(this.#mine, microphoneDb);
            setLevel(this.#theirs, customerDb);
        }));
    }
    /** Begins to draw and to listen to keys. */
    begin() {
        this.#timer = setInterval(() => this.#tick(), 250);
        const key = (event) => this.#key(event);
        document.addEventListener("keydown", key);
        // Closing the page in the middle of a conversation cuts it: ask first.
        const leave = (event) => {
            const { call } = this.phone.view;
            if (call !== null && call.ended === null)
                event.preventDefault();
        };
        window.addEventListener("beforeunload", leave);
        this.#off.push(() => document.removeEventListener("keydown", key), () => window.removeEventListener("beforeunload", leave));
        this.#draw();
    }
    /** Ends both. */
    end() {
        clearInterval(this.#timer);
        for (const off of this.#off.splice(0))
            off();
    }
    #redraw() {
        this.#drawn += 1;
        this.#draw();
    }
    #draw() {
        const { phone } = this;
        const text = this.#text;
        const { state, call, welcome } = phone.view;
        const audio = phone.audio;
        const online = phone.status === "online";
        this.#banner.hidden = online;
        if (!online)
            fill(this.#banner, h("b", {}, text.lost), call && !call.ended ? text.lostHint : "", phone.waiting.length > 0 ? ` ${text.kept2}` : "");
        this.#top.show(JSON.stringify([welcome?.agent, welcome?.campaigns, state?.state, state?.reason, online]), () => [
            h("span", { class: "brand" }, h("img", { src: "icon.svg", alt: "" }), "Tandem"),
            h("span", { class: "who-am-i" }, h("b", {}, welcome?.agent.name ?? ""), ` · ${welcome?.campaigns.join(", ") ?? ""}`),
            h("span", { class: "grow" }),
            h("span", { class: "pill", id: "state", "data-state": state?.state ?? "offline" }, h("span", { class: `dot ${state?.state ?? ""}` }), text[state?.state ?? "offline"], state?.state === "break" && state.reason ? ` · ${state.reason}` : "", this.#since),
            h("span", { class: "grow" }),
            h("span", { class: online ? "net" : "net bad" }, online ? text.online : text.lost),
            h("button", { type: "button", class: "btn small", id: "log-out", onclick: () => this.#try(phone.logOut()) }, text.logOut),
        ]);
        this.#drawLeft();
        this.#drawAudio();
        this.#drawCall();
        this.#drawOutcome();
        this.#state.show(JSON.stringify([state?.state, state?.after_call, welcome?.break_reasons, audio.up, audio.engine?.checked, call?.saved, this.#drawn]), () => this.#stateButtons());
        this.#tick();
    }
    #drawLeft() {
        const { phone } = this;
        const text = this.#text;
        const { state, call, preview, progress } = phone.view;
        const card = call?.card ?? preview;
        const key = JSON.stringify([call?.call, call?.card, Object.keys(call?.cards ?? {}), preview, progress, state?.state, this.#drawn]);
        this.#left.show(key, () => {
            if (card) {
                const expand = (name) => this.#try(phone.expand(name));
                return [...(preview ? [this.#previewBar()] : []), ...drawCard(card, call, this.language, expand)];
            }
            const waits = state?.state === "ready" || state?.state === "reserved";
            const stage = progress ? (progress.stage === "ringing" ? text.ringing : text.dialling) : null;
            return [
                h("section", { class: "card waiting" }, h("h1", {}, stage ?? (waits ? text.idle : text.paused)), h("p", {}, waits ? text.idleHint : text.pausedHint), state?.state === "manual" ? h("button", { type: "button", class: "btn main", onclick: () => this.#try(phone.next()) }, text.next) : null),
            ];
        });
        if (call && !call.ended && this.#painted !== call.call) {
            const { call: id } = call;
            this.#painted = id;
            // After the frame in which it was drawn: the paint is what is measured.
            requestAnimationFrame(() => setTimeout(() => phone.painted(id)));
        }
    }
    #previewBar() {
        const text = this.#text;
        const { preview, progress } = this.phone.view;
        const skips = this.phone.view.welcome?.skip_reasons ?? [];
        const reason = h("select", { "aria-label": text.reason }, ...skips.map((name) => h("option", { value: name }, name)));
        reason.style.width = "auto";
        const dialled = progress !== null;
        return h("section", { class: "card row" }, h("b", {}, dialled ? (progress.stage === "ringing" ? text.ringing : text.dialling) : text.preview), h("span", { class: "num" }, this.#clock), h("span", { class: "grow" }), preview && skips.length > 0 ? reason : null, preview && skips.length > 0 ? h("button", { type: "button", class: "btn", disabled: dialled, onclick: () => this.#try(this.phone.skip(reason.value, preview.call)) }, text.skip) : null, preview ? h("button", { type: "button", class: "btn main", disabled: dialled, onclick: () => this.#try(this.phone.dial({ call: preview.call })) }, text.dial) : null);
    }
    #drawCall() {
        const { phone } = this;
        const text = this.#text;
        const { call } = phone.view;
        const talking = call !== null && call.ended === null;
        this.#call.element.hidden = call === null;
        if (call === null)
            return;
        const audio = phone.audio;
        const { held = false, recording = "off", muted = false } = audio.engine ?? {};
        const isMuted = muted || audio.muted;
        const meters = talking && audio.up && audio.kind === "browser";
        this.#call.show(JSON.stringify([call.call, talking, call.ended, isMuted, held, recording, meters, this.#keypad, this.#drawn]), () => {
            const press = (id, label, key, pressed, act, extra = "") => h("button", { type: "button", class: `btn ${extra}`, id, "aria-pressed": String(pressed), "aria-keyshortcuts": key, onclick: act }, label, h("kbd", {}, key));
            if (!talking) {
                return [h("div", { class: "row" }, this.#clock, h("span", { class: "tag plain" }, text.endedBy[call.ended?.by ?? "system"])), h("p", { class: "cap" }, text.wrapHint)];
            }
            return [
                h("div", { class: "row" }, this.#clock, h("span", { class: recording === "on" ? "tag stop" : "tag plain" }, recording === "on" ? text.recording : recording === "paused" ? text.recordPaused : text.recordOff)),
                meters ? this.#meters() : null,
                h("div", { class: "acts" }, press("mute", text.mute, "M", isMuted, () => this.#mute(), "warned"), press("hold", text.hold, "H", held, () => this.#hold(), "warned"), press("keypad", text.keypad, "K", this.#keypad, () => this.#toggleKeypad()), press("record", recording === "off" ? text.recordOn : text.record, "R", recording === "paused", () => this.#record(), "warned")),
                this.#keypad
                    ? h("div", { class: "keypad", role: "group", "aria-label": text.keypad }, ...KEYS.map((key) => h("button", { type: "button", class: "btn", onclick: () => this.#try(phone.keys(key)) }, key)))
                    : null,
                h("button", { type: "button", class: "btn stop", id: "hang-up", "aria-keyshortcuts": "Control+Shift+E", onclick: () => this.#try(phone.hangUp()) }, text.hangUp, h("kbd", {}, "Ctrl ⇧ E")),
            ];
        });
    }
    #drawOutcome() {
        const { phone } = this;
        const text = this.#text;
        const { call, welcome } = phone.view;
        this.#outcome.element.hidden = call === null || welcome === null;
        if (call === null || welcome === null)
            return;
        const waits = phone.waiting.some(({ ask }) => ask.type === "outcome" && ask.call === call.call);
        this.#outcome.show(JSON.stringify([call.call, call.saved, waits, this.#chosen?.code, this.#drawn]), () => {
            if (call.saved)
                return [h("p", { class: "note ok", role: "status", id: "saved" }, text.saved)];
            if (waits)
                return [h("p", { class: "note info", role: "status" }, phone.status === "online" ? text.saving : text.kept2)];
            if (this.#chosen) {
                const save = (wish) => this.#save(wish, call.call);
                return [drawForm(this.#chosen, call, this.language, this.#note, save, () => this.#choose(null))];
            }
            const note = h("textarea", { id: "note", maxlength: "2000", "aria-keyshortcuts": "N", oninput: () => (this.#note = note.value) });
            note.value = this.#note;
            return [
                h("h2", {}, text.outcome),
                ...drawButtons(welcome.outcome_set, call, this.language, (rule) => this.#choose(rule)),
                h("label", { class: "field" }, h("span", {}, text.note, " ", h("kbd", {}, "N")), note),
            ];
        });
    }
    #drawAudio() {
        const { phone } = this;
        const text = this.#text;
        const audio = phone.audio;
        const { leg = "none", checked = false, checking = false } = audio.engine ?? {};
        // While somebody is on the line and all is well, the meters are beside the clock.
        const quiet = phone.view.call !== null && phone.view.call.ended === null && audio.up;
        const key = JSON.stringify([audio.kind, audio.peer, audio.microphone, leg, checked, checking, this.#checkFailed, this.#starting, phone.status, quiet, this.#drawn]);
        this.#audio.element.hidden = audio.kind === "none" || audio.kind === null || quiet;
        this.#audio.show(key, () => {
            if (quiet)
                return [];
            const [word, kind] = audio.up
                ? [audio.kind === "phone" ? text.audioPhone : text.audioUp, "ok"]
                : this.#starting
                    ? [this.#starting, "stop"]
                    : audio.peer === "none" && audio.kind === "browser"
                        ? [text.audioNone, "warn"]
                        : leg === "lost" || audio.peer === "disconnected" || audio.peer === "failed"
                            ? [text.audioLost, "warn"]
                            : [text.audioConnecting, "warn"];
            const start = (tone) => () => {
                this.#starting = null;
                this.#try(phone.startAudio(tone ? { kind: "tone", hertz: 600 } : { kind: "device" }));
            };
            const broken = audio.kind === "browser" && (audio.peer === "none" || audio.microphone !== "live");
            return [
                h("h2", {}, h("span", {}, text.microphone), h("span", { class: `tag ${kind}`, id: "audio", "data-up": String(audio.up) }, word)),
                audio.kind === "browser" ? this.#meters() : null,
                broken
                    ? h("div", { class: "row" }, h("button", { type: "button", class: "btn main", onclick: start(false) }, text.startAudio), h("button", { type: "button", class: "btn", onclick: start(true) }, text.useTone))
                    : null,
                audio.kind === "browser" && !broken ? this.#devices() : null,
                audio.up && !checked
                    ? h("div", { class: "stack" }, h("p", { class: "note info" }, checking ? text.checking : text.checkHint), this.#checkFailed ? h("p", { class: "note stop", role: "alert" }, text.checkFailed) : null, h("button", { type: "button", class: "btn main", id: "check", disabled: checking, onclick: () => this.#check() }, this.#checkFailed ? text.checkAgain : text.check))
                    : null,
                checked ? h("p", { class: "cap", id: "checked" }, text.checked) : null,
            ];
        });
    }
    #meters() {
        return h("div", { class: "meters" }, h("span", {}, this.#text.you), this.#mine, h("span", {}, this.#text.customer), this.#theirs);
    }
    /** Microphone and loudspeaker by name, once the browser tells them. */
    #devices() {
        const text = this.#text;
        const box = h("details", {}, h("summary", { class: "cap" }, `${text.microphone} · ${text.output}`));
        box.addEventListener("toggle", () => {
            if (!box.open || box.childElementCount > 1)
                return;
            void this.phone.devices().then(({ microphones, outputs }) => {
                const list = (label, devices, use) => h("label", { class: "field" }, h("span", {}, label), h("select", { onchange: (event) => this.#try(use(event.target.value)) }, ...devices.map((device) => h("option", { value: device.deviceId }, device.label || text.defaultDevice))));
                box.append(list(text.microphone, microphones, (deviceId) => this.phone.useMicrophone({ kind: "device", deviceId })), list(text.output, outputs, (deviceId) => this.phone.useOutput(deviceId)));
            });
        });
        return box;
    }
    #stateButtons() {
        const { phone } = this;
        const text = this.#text;
        const { state, welcome, call } = phone.view;
        const reasons = (welcome?.break_reasons ?? []).filter((name) => name !== "login" && name !== "technical");
        const reason = h("select", { id: "break-reason", "aria-label": text.reason }, ...reasons.map((name) => h("option", { value: name }, name)));
        const busy = state?.state === "talking" || state?.state === "reserved" || state?.state === "wrap";
        const after = state?.after_call;
        const buttons = [
            state?.state !== "ready" && state?.state !== "talking" && state?.state !== "reserved"
                ? h("button", { type: "button", class: this.#mayBeReady() ? "btn main" : "btn", id: "ready", onclick: () => this.#try(phone.ready()) }, state?.state === "wrap" ? text.readyNow : text.ready, h("kbd", {}, "Ctrl ↵"))
                : null,
            state?.state !== "break" && reasons.length > 0
                ? h("div", { class: "split" }, reason, h("button", { type: "button", class: "btn", id: "break", "aria-keyshortcuts": "B", onclick: () => this.#try(phone.break(reason.value)) }, busy ? text.breakAfter : text.break, h("kbd", {}, "B")))
                : null,
            state?.state === "break" ? h("button", { type: "button", class: "btn", id: "manual", onclick: () => this.#try(phone.manual()) }, text.manual) : null,
            busy && after && after.to !== "ready" ? h("p", { class: "note warn" }, `${text.afterThis}: ${text[after.to]} ${after.reason ?? ""}`) : null,
            state?.state === "wrap" && call && call.ended ? h("p", { class: "cap" }, text.wrapHint) : null,
        ];
        return buttons.filter((button) => button !== null);
    }
    /** The check comes first; the engine refuses otherwise, and says why. */
    #mayBeReady() {
        const { kind, engine } = this.phone.audio;
        return kind !== "browser" || engine?.checked === true;
    }
    #tick() {
        const { state, call, preview } = this.phone.view;
        const now = this.phone.engineNowMs;
        if (state)
            this.#since.textContent = clock(now - state.since_ms);
        if (call && !call.ended)
            this.#clock.textContent = clock(now - call.answeredAtMs);
        else if (state?.state === "wrap" && state.until_ms)
            this.#clock.textContent = clock(state.until_ms - now + 999);
        else if (call?.ended)
            this.#clock.textContent = clock(call.ended.talk_ms);
        else if (preview)
            this.#clock.textContent = clock(preview.until_ms - now + 999);
    }
    #choose(rule) {
        this.#chosen = rule;
        this.#draw();
    }
    async #save(wish, call) {
        this.#note = wish.note ?? "";
        const saved = this.phone.outcome(wish, call);
        if (this.phone.status !== "online")
            this.#draw();
        await saved;
        this.#chosen = null;
        this.#draw();
    }
    #mute() {
        const { engine, muted } = this.phone.audio;
        this.#try(this.phone.mute(!(engine?.muted || muted)));
    }
    #hold() {
        this.#try(this.phone.hold(!this.phone.audio.engine?.held));
    }
    #record() {
        const { recording = "off" } = this.phone.audio.engine ?? {};
        this.#try(this.phone.record(recording === "off" ? "start" : recording === "on" ? "pause" : "resume"));
    }
    #toggleKeypad() {
        this.#keypad = !this.#keypad;
        this.#draw();
    }
    #check() {
        this.#checkFailed = false;
        this.phone.checkAudio().catch((fault) => {
            this.#checkFailed = fault instanceof SoftphoneError && fault.code === "not_heard";
            if (!this.#checkFailed)
                this.#tell(fault);
            this.#draw();
        });
    }
    #try(work) {
        work.catch((fault) => this.#tell(fault));
    }
    #tell(fault) {
        this.#trouble.textContent = fault instanceof Error ? fault.message : String(fault);
        this.#trouble.hidden = false;
        this.#draw();
        setTimeout(() => (this.#trouble.hidden = true), 8_000);
    }
    #key(event) {
        const { state, call, welcome } = this.phone.view;
        const talking = call !== null && call.ended === null;
        if (event.ctrlKey && event.shiftKey && event.code === "KeyE" && talking) {
            event.preventDefault();
            return this.#try(this.phone.hangUp());
        }
        if (event.ctrlKey && event.key === "Enter" && (state?.state === "break" || state?.state === "wrap" || state?.state === "manual")) {
            return this.#try(this.phone.ready());
        }
        if (event.key === "Escape") {
            if (this.#chosen)
                this.#choose(null);
            else if (document.activeElement instanceof HTMLElement)
                document.activeElement.blur();
            return;
        }
        // Whoever types a note presses no button; an input method in the middle of a word (Telex) types, too.
        const typing = event.target instanceof Element && event.target.closest("input, textarea, select") !== null;
        if (typing || event.ctrlKey || event.metaKey || event.altKey || event.isComposing || event.repeat)
            return;
        const act = this.#shortcut(event.key.toLowerCase(), talking);
        if (act) {
            event.preventDefault();
            return act();
        }
        if (call && welcome && !call.saved && !this.#chosen && performance.now() - this.#shownAt > DEAD_MS) {
            const rule = hotCodes(welcome.outcome_set, call)[Number(event.key) - 1];
            if (rule) {
                event.preventDefault();
                this.#choose(rule);
            }
        }
    }
    #shortcut(key, talking) {
        const focus = (id) => () => document.getElementById(id)?.focus();
        switch (key) {
            case "m":
                return talking ? () => this.#mute() : null;
            case "h":
                return talking ? () => this.#hold() : null;
            case "k":
                return talking ? () => this.#toggleKeypad() : null;
            case "r":
                return talking ? () => this.#record() : null;
            case "n":
                return focus("note");
            case "/":
                return focus("others");
            case "b":
                return () => document.getElementById("break")?.click();
            default:
                return null;
        }
    }
}
/** Level from which on a voice is too loud for the line, dBFS. */
const LOUD_DB = -6;
function meter() {
    return h("div", { class: "level", role: "meter", "aria-valuemin": FLOOR_DB, "aria-valuemax": 0, "aria-valuenow": FLOOR_DB }, h("i"));
}
function setLevel(element, db) {
    element.setAttribute("aria-valuenow", db.toFixed(0));
    element.classList.toggle("loud", db > LOUD_DB);
    element.firstElementChild.style.transform = `scaleX(${share(db).toFixed(3)})`;
}
