/** The agents' page: log-in, then the desk. Starts the softphone; keeps nothing but language and theme. */
import { Softphone, SoftphoneError } from "../../softphone/dist/index.js";
import { Desk } from "./desk.js";
import { fill, h } from "./dom.js";
import { words } from "./words.js";
const language = () => {
    const kept = localStorage.getItem("language");
    if (kept === "vi" || kept === "en")
        return kept;
    return navigator.language.startsWith("vi") ? "vi" : "en";
};
function applyTheme() {
    const kept = localStorage.getItem("theme");
    const dark = kept ? kept === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    document.documentElement.dataset.theme = dark ? "dark" : "light";
    document.documentElement.lang = language();
}
async function socketUrl() {
    const answer = await fetch("settings.json", { cache: "no-store" });
    if (!answer.ok)
        throw new Error(`settings.json: ${answer.status}`);
    const { socket, socket_port, socket_path } = (await answer.json());
    if (socket !== null)
        return socket;
    return `${location.protocol === "https:" ? "wss" : "ws"}://${location.hostname}:${socket_port}${socket_path}`;
}
function showLogin(trouble) {
    const text = words(language());
    const agent = h("input", { name: "agent", autocomplete: "username", required: true, maxlength: "64" });
    const token = h("input", { name: "token", type: "password", autocomplete: "current-password", required: true, maxlength: "256" });
    // A name may be handed over in the address, a token never: addresses end up in histories and logs.
    agent.value = new URLSearchParams(location.hash.slice(1)).get("agent") ?? "";
    const told = h("p", { class: "note stop", role: "alert", hidden: trouble === null }, trouble);
    const button = h("button", { type: "submit", class: "btn main" }, text.logIn);
    const pick = (value, label, checked) => h("label", { class: "pick" }, h("input", { type: "radio", name: "microphone", value, checked }), label);
    const form = h("form", {
        class: "card login",
        onsubmit: (event) => {
            event.preventDefault();
            const kind = new FormData(form).get("microphone");
            button.disabled = true;
            button.textContent = text.signing;
            logIn(agent.value, token.value, kind === "tone" ? { kind: "tone", hertz: 600 } : { kind: "device" }).catch((fault) => {
                showLogin(explain(fault));
            });
        },
    }, h("h1", {}, h("span", { class: "brand" }, h("img", { src: "icon.svg", alt: "" }), "Tandem")), h("p", { class: "cap" }, text.loginLead), h("label", { class: "field" }, h("span", {}, text.agent), agent), h("label", { class: "field" }, h("span", {}, text.token), token), h("fieldset", {}, h("legend", {}, text.microphone), pick("device", text.device, true), pick("tone", text.tone, false)), told, button);
    fill(document.body, h("main", {}, form, h("p", { class: "foot" }, choosers())));
    (agent.value ? token : agent).focus();
}
/** Language and theme. */
function choosers() {
    const text = words(language());
    const change = (key, value) => () => {
        localStorage.setItem(key, value);
        applyTheme();
        showLogin(null);
    };
    const dark = document.documentElement.dataset.theme === "dark";
    return h("span", { class: "row" }, h("span", { class: "grow" }), h("button", { type: "button", class: "btn small", onclick: change("language", language() === "vi" ? "en" : "vi") }, text.language), h("button", { type: "button", class: "btn small", onclick: change("theme", dark ? "light" : "dark") }, text.theme), h("span", { class: "grow" }));
}
function explain(fault) {
    const text = words(language());
    if (fault instanceof SoftphoneError)
        return text.closed[fault.code] ?? fault.message;
    return fault instanceof Error ? fault.message : String(fault);
}
async function logIn(agent, token, microphone) {
    const phone = new Softphone({ url: await socketUrl(), agent, token, microphone });
    // For support and for tests: the page's own softphone, on its own console.
    window.softphone = phone;
    const desk = new Desk(phone, language());
    await phone.logIn();
    document.title = "Tandem";
    fill(document.body, ...desk.elements);
    desk.begin();
    phone.on("status", ({ status, reason }) => {
        if (status !== "closed")
            return;
        desk.end();
        const text = words(language());
        showLogin(text.closed[(reason ?? "logged_out")] ?? text.closed.logged_out);
    });
}
applyTheme();
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", applyTheme);
showLogin(null);
