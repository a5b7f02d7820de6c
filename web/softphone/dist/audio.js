/**
 * The agent's audio in a browser: microphone, one WebRTC leg for the whole shift, speaker, meters. Negotiates through whatever
 * the owner hands in; knows no protocol message.
 */
import { care } from "./care.js";
import { SoftphoneError } from "./fault.js";
import { Meter } from "./levels.js";
import { figures } from "./stats.js";
import { TestTone, play } from "./tones.js";
/** Longest wait for the browser's own addresses. Without TURN they are there in a few milliseconds. */
const GATHER_MS = 1_500;
/** The leg. */
export class AudioLeg {
    hooks;
    now;
    #element;
    #context;
    #peer = null;
    #iceServers = [];
    #relayOnly = false;
    #microphone = null;
    #ownsMicrophone = false;
    #microphoneState = "none";
    #tone = null;
    #inMeter = null;
    #outMeter = null;
    #muted = false;
    #peerState = "none";
    #peerSince = 0;
    #restarts = 0;
    #restartedAt = Number.NEGATIVE_INFINITY;
    #allRestarts = 0;
    #builds = 0;
    #networkChanged = false;
    #negotiating = Promise.resolve();
    #isNegotiating = false;
    #wanted = false;
    #figures = null;
    constructor(hooks, now) {
        this.hooks = hooks;
        this.now = now;
        this.#element = document.createElement("audio");
        this.#element.autoplay = true;
        this.#context = new AudioContext();
    }
    /** How it is. */
    get state() {
        return {
            peer: this.#peerState,
            microphone: this.#microphoneState,
            muted: this.#muted,
            restarts: this.#allRestarts,
            builds: this.#builds,
        };
    }
    /** Takes the microphone and builds the leg. Resolves once the engine has answered the offer. */
    async open(iceServers, microphone, relayOnly) {
        this.#iceServers = iceServers;
        this.#relayOnly = relayOnly;
        // A page that was clicked may sound; before the first click this waits, and the meters stand still.
        void this.#context.resume();
        if (this.#microphone === null)
            await this.useMicrophone(microphone);
        this.#wanted = true;
        await this.rebuild();
    }
    /** Another microphone, without renegotiation: the customer hears no gap beyond the switch. */
    async useMicrophone(wish) {
        let stream;
        let tone = null;
        if (wish.kind === "tone") {
            tone = new TestTone(this.#context, wish.hertz);
            stream = tone.stream;
        }
        else if (wish.kind === "stream") {
            stream = wish.stream;
        }
        else {
            stream = await takeMicrophone(wish);
        }
        const track = stream.getAudioTracks()[0];
        if (track === undefined)
            throw new SoftphoneError("microphone_absent", "The stream has no audio track.");
        this.#dropMicrophone();
        this.#microphone = stream;
        this.#ownsMicrophone = wish.kind === "device";
        this.#tone = tone;
        this.#microphoneState = "live";
        track.enabled = !this.#muted;
        track.addEventListener("ended", () => {
            if (this.#microphone !== stream)
                return;
            this.#microphoneState = "ended";
            this.hooks.fault(new SoftphoneError("microphone_absent", "The microphone was unplugged or taken away."));
            this.hooks.changed();
        });
        this.#outMeter?.close();
        this.#outMeter = new Meter(this.#context, stream);
        await this.#peer?.getSenders().find((sender) => sender.track?.kind === "audio" || sender.track === null)?.replaceTrack(track);
        this.hooks.changed();
    }
    /** Another loudspeaker or headset. Not every browser can: then this rejects. */
    async useOutput(deviceId) {
        await this.#element.setSinkId(deviceId);
        const context = this.#context;
        await context.setSinkId?.(deviceId);
    }
    /** Loudness of what the agent hears, 0..1. */
    set volume(volume) {
        this.#element.volume = Math.min(1, Math.max(0, volume));
    }
    /** Pitch of the test tone, if that is the microphone. */
    set toneHertz(hertz) {
        if (this.#tone)
            this.#tone.hertz = hertz;
    }
    /** Switches the microphone off or on, at once and whatever the engine is doing. */
    mute(on) {
        this.#muted = on;
        for (const track of this.#microphone?.getAudioTracks() ?? [])
            track.enabled = !on;
        this.hooks.changed();
    }
    /** Levels now, in dBFS. */
    levels() {
        return {
            microphoneDb: this.#muted ? -60 : (this.#outMeter?.level() ?? -60),
            customerDb: this.#inMeter?.level() ?? -60,
        };
    }
    /** The strongest frequency that the agent hears. */
    heardPeak() {
        return this.#inMeter?.peak() ?? { hertz: 0, db: -200 };
    }
    /** A sound for the agent only. */
    tone(tone) {
        if (this.#context.state === "running")
            play(this.#context, tone);
    }
    /** Figures of the leg; rates are since the last call of this. */
    async stats() {
        if (this.#peer === null)
            return null;
        const report = (await this.#peer.getStats());
        this.#figures = figures(report, this.#figures);
        return this.#figures;
    }
    /** The network changed under us: the leg is moved over as soon as the engine can be asked. */
    networkChanged() {
        if (this.#peer !== null)
            this.#networkChanged = true;
    }
    /** Looks after the leg. Call it about twice a second. */
    tick() {
        if (!this.#wanted || this.#isNegotiating)
            return;
        const act = care({
            peer: this.#peerState,
            forMs: this.now() - this.#peerSince,
            restarts: this.#restarts,
            sinceRestartMs: this.now() - this.#restartedAt,
            online: this.hooks.online(),
            engine: this.hooks.engine(),
            networkChanged: this.#networkChanged,
        });
        if (act === "nothing")
            return;
        void (act === "restart" ? this.restart() : this.rebuild()).catch((fault) => {
            this.hooks.fault(asFault(fault));
        });
    }
    /** ICE restart: new addresses, same keys and streams. */
    restart() {
        return this.#inTurn(async () => {
            const peer = this.#peer;
            if (peer === null)
                return;
            this.#networkChanged = false;
            this.#restarts += 1;
            this.#allRestarts += 1;
            this.#restartedAt = this.now();
            peer.restartIce();
            await this.#negotiate(peer);
        });
    }
    /** A new leg in place of the old one. */
    rebuild() {
        return this.#inTurn(async () => {
            this.#closePeer();
            const peer = this.#build();
            this.#restarts = 0;
            this.#networkChanged = false;
            this.#restartedAt = this.now();
            this.#builds += 1;
            try {
                await this.#negotiate(peer);
            }
            catch (fault) {
                // Left in "new": the care builds it again in a while.
                this.#saw("new");
                throw fault;
            }
        });
    }
    /** Ends it: no microphone, no leg. */
    close() {
        this.#wanted = false;
        this.#closePeer();
        this.#dropMicrophone();
        this.#outMeter?.close();
        this.#outMeter = null;
        this.#saw("none");
        void this.#context.close();
    }
    async #inTurn(work) {
        const turn = this.#negotiating.then(async () => {
            this.#isNegotiating = true;
            try {
                await work();
            }
            finally {
                this.#isNegotiating = false;
            }
        });
        this.#negotiating = turn.catch(() => undefined);
        return turn;
    }
    #build() {
        const peer = new RTCPeerConnection({
            iceServers: this.#iceServers,
            iceTransportPolicy: this.#relayOnly ? "relay" : "all",
            bundlePolicy: "max-bundle",
        });
        this.#peer = peer;
        this.#figures = null;
        this.#saw("new");
        const transceiver = peer.addTransceiver("audio", { direction: "sendrecv" });
        const track = this.#microphone?.getAudioTracks()[0];
        if (track)
            void transceiver.sender.replaceTrack(track);
        // The phone network speaks G.711; anything else would have to be transcoded for every call.
        const codecs = RTCRtpReceiver.getCapabilities("audio")?.codecs ?? [];
        const g711 = codecs.filter(({ mimeType }) => /^audio\/pcm[ua]$/i.test(mimeType));
        if (g711.length > 0)
            transceiver.setCodecPreferences(g711);
        peer.addEventListener("connectionstatechange", () => {
            if (this.#peer !== peer)
                return;
            if (peer.connectionState === "connected") {
                this.#restarts = 0;
                this.#restartedAt = Number.NEGATIVE_INFINITY;
            }
            this.#saw(peer.connectionState);
        });
        peer.addEventListener("track", ({ track: heard }) => {
            const stream = new MediaStream([heard]);
            // The element must play it: Chromium gives Web Audio silence of a remote stream that nothing plays.
            this.#element.srcObject = stream;
            void this.#element.play().catch(() => undefined);
            this.#inMeter?.close();
            this.#inMeter = new Meter(this.#context, stream);
        });
        return peer;
    }
    async #negotiate(peer) {
        await peer.setLocalDescription(await peer.createOffer());
        await gathered(peer);
        const sdp = peer.localDescription?.sdp;
        if (!sdp)
            throw new SoftphoneError("audio_failed", "The browser made no offer.");
        let answer;
        try {
            answer = await this.hooks.offer(sdp);
        }
        catch (fault) {
            // An offer without an answer must go, or the next one cannot be made.
            if (peer.signalingState === "have-local-offer")
                await peer.setLocalDescription({ type: "rollback" });
            throw fault;
        }
        await peer.setRemoteDescription({ type: "answer", sdp: answer });
    }
    #saw(state) {
        if (state !== this.#peerState)
            this.#peerSince = this.now();
        this.#peerState = state;
        this.hooks.changed();
    }
    #closePeer() {
        const peer = this.#peer;
        this.#peer = null;
        this.#inMeter?.close();
        this.#inMeter = null;
        peer?.close();
    }
    #dropMicrophone() {
        const stream = this.#microphone;
        this.#microphone = null;
        this.#microphoneState = "none";
        this.#tone?.stop();
        this.#tone = null;
        if (this.#ownsMicrophone)
            for (const track of stream?.getTracks() ?? [])
                track.stop();
    }
}
/** Any failure as ours. */
export function asFault(fault) {
    if (fault instanceof SoftphoneError)
        return fault;
    return new SoftphoneError("audio_failed", fault instanceof Error ? `${fault.name}: ${fault.message}` : String(fault));
}
/** Microphones and loudspeakers. Their labels are empty until a microphone was allowed once. */
export async function listDevices() {
    const all = (await navigator.mediaDevices?.enumerateDevices()) ?? [];
    return {
        microphones: all.filter(({ kind }) => kind === "audioinput"),
        outputs: all.filter(({ kind }) => kind === "audiooutput"),
    };
}
async function takeMicrophone(wish) {
    if (!navigator.mediaDevices?.getUserMedia) {
        throw new SoftphoneError("insecure_page", "A browser gives a microphone to pages over HTTPS (or on localhost) only.");
    }
    const audio = {
        echoCancellation: wish.echoCancellation ?? true,
        noiseSuppression: wish.noiseSuppression ?? true,
        autoGainControl: wish.autoGainControl ?? true,
        channelCount: 1,
    };
    if (wish.deviceId)
        audio.deviceId = { exact: wish.deviceId };
    try {
        return await navigator.mediaDevices.getUserMedia({ audio, video: false });
    }
    catch (fault) {
        const name = fault instanceof DOMException ? fault.name : "";
        if (name === "NotAllowedError" || name === "SecurityError") {
            throw new SoftphoneError("microphone_refused", "The browser was not allowed to use the microphone.");
        }
        throw new SoftphoneError("microphone_absent", `No microphone can be used (${name || String(fault)}).`);
    }
}
/** Waits until the browser has gathered its addresses: the whole offer travels in one message. */
async function gathered(peer) {
    if (peer.iceGatheringState === "complete")
        return;
    await new Promise((resolve) => {
        const timer = setTimeout(resolve, GATHER_MS);
        peer.addEventListener("icegatheringstatechange", () => {
            if (peer.iceGatheringState !== "complete")
                return;
            clearTimeout(timer);
            resolve();
        });
    });
}
