/** The outcome form, made from the engine's outcome set: which codes there are and what each needs. */
import { SoftphoneError } from "../../softphone/dist/index.js";
import { h } from "./dom.js";
import { amountOf, grouped, unixOf } from "./format.js";
import { codeName, words } from "./words.js";
/** Codes with a button and a digit of their own; the others are in the list. */
const HOT_MAX = 7;
/** Where a card names no quick buttons. */
const USUAL = ["RPC_PTP", "RPC_CB", "RPC_REFUSE", "WRONG_NO", "RPC_HARDSHIP", "RPC_DISPUTE", "RPC_PAID"];
/** A key that was meant for the last customer must not hit this one. */
export const DEAD_MS = 400;
/** Codes in the order of their buttons. */
export function hotCodes(set, call) {
    const wanted = call.card.actions?.hot?.length ? call.card.actions.hot : USUAL;
    const hot = wanted.map((code) => set.codes.find((rule) => rule.code === code)).filter((rule) => rule !== undefined);
    return (hot.length > 0 ? hot : set.codes).slice(0, HOT_MAX);
}
/** The buttons. */
export function drawButtons(set, call, language, choose) {
    const text = words(language);
    const hot = hotCodes(set, call);
    const buttons = hot.map((rule, n) => h("button", { type: "button", class: "btn", title: rule.code, "aria-keyshortcuts": String(n + 1), "data-code": rule.code, onclick: () => choose(rule) }, h("kbd", {}, String(n + 1)), codeName(rule.code, language)));
    const rest = set.codes.filter((rule) => !hot.includes(rule) && rule.code !== "NOT_RECORDED");
    const list = h("select", {
        class: "all",
        "aria-label": text.others,
        "aria-keyshortcuts": "/",
        id: "others",
        onchange: (event) => {
            const rule = rest.find(({ code }) => code === event.target.value);
            if (rule)
                choose(rule);
        },
    }, h("option", { value: "" }, `${rest.length} · ${text.others}`), ...rest.map((rule) => h("option", { value: rule.code }, codeName(rule.code, language))));
    return [h("div", { class: "outcomes" }, ...buttons, rest.length > 0 ? list : null)];
}
/** The form of one code. `save` rejects with the engine's reason, which is shown at its field. */
export function drawForm(rule, call, language, note, save, back) {
    const text = words(language);
    const trouble = h("p", { class: "note stop", role: "alert", hidden: true });
    const fields = h("div", { class: "stack" });
    const wishes = [];
    const named = new Map();
    const field = (label, name, input) => {
        named.set(name, input);
        return h("label", { class: "field" }, h("span", {}, label), input);
    };
    const input = (attributes) => h("input", attributes);
    const amount = (name, value = "") => input({ inputmode: "numeric", autocomplete: "off", name, value });
    const whole = (element, name) => {
        const value = amountOf(element.value);
        if (value === null)
            throw new Missing(name);
        return value;
    };
    const filled = (element, name) => {
        if (element.value.trim() === "")
            throw new Missing(name);
        return element.value.trim();
    };
    const today = new Date().toISOString().slice(0, 10);
    if (rule.needs === "promise" || (rule.needs === "nothing" && rule.may_promise)) {
        const sum = amount("amount", rule.needs === "promise" ? grouped(call.card.loan?.minimum_to_cure ?? call.card.loan?.due, language) : "");
        const due = input({ type: "date", name: "due", min: today });
        const method = input({ name: "method", maxlength: "40", autocomplete: "off" });
        fields.append(h("div", { class: "split" }, field(text.amount, "promise.amount", sum), field(text.dueDate, "promise.due", due)), field(text.method, "promise.method", method));
        wishes.push(() => {
            if (rule.needs === "nothing" && sum.value.trim() === "" && due.value === "")
                return {};
            const promise = { amount: whole(sum, "promise.amount"), due: filled(due, "promise.due") };
            return { promise: method.value.trim() ? { ...promise, method: method.value.trim() } : promise };
        });
    }
    if (rule.needs === "paid") {
        const at = input({ type: "date", name: "at", max: today, value: today });
        const method = input({ name: "method", maxlength: "40", value: "TRANSFER" });
        fields.append(h("div", { class: "split" }, field(text.paidAt, "paid.at", at), field(text.method, "paid.method", method)));
        wishes.push(() => ({ paid: { at: filled(at, "paid.at"), method: filled(method, "paid.method") } }));
    }
    if (rule.needs === "amount") {
        const sum = amount("amount", grouped(call.card.loan?.due, language));
        fields.append(field(text.amount, "amount", sum));
        wishes.push(() => ({ amount: whole(sum, "amount") }));
    }
    if (rule.needs === "schedule") {
        const parts = [];
        const list = h("div", { class: "stack" });
        const add = () => {
            const part = { due: input({ type: "date", min: today, "aria-label": text.dueDate }), sum: amount("amount") };
            part.sum.setAttribute("aria-label", text.amount);
            const n = parts.push(part) - 1;
            named.set(`schedule[${n}].due`, part.due);
            named.set(`schedule[${n}].amount`, part.sum);
            list.append(h("div", { class: "plan" }, part.due, part.sum, h("span", { class: "cap" }, `${n + 1}`)));
        };
        add();
        add();
        fields.append(list, h("button", { type: "button", class: "btn small", onclick: add }, text.addPart));
        wishes.push(() => ({
            schedule: parts
                .filter(({ due, sum }, n) => n === 0 || due.value !== "" || sum.value.trim() !== "")
                .map(({ due, sum }, n) => ({ due: filled(due, `schedule[${n}].due`), amount: whole(sum, `schedule[${n}].amount`) })),
        }));
    }
    if (rule.needs === "follow_up") {
        const at = input({ type: "datetime-local", name: "follow_up_at", step: "300" });
        fields.append(field(text.followUp, "follow_up_at", at));
        wishes.push(() => {
            const unix = unixOf(filled(at, "follow_up_at"));
            if (unix === null)
                throw new Missing("follow_up_at");
            return { follow_up_at: unix };
        });
    }
    if (rule.needs === "reason") {
        const why = input({ name: "reason", maxlength: "200", autocomplete: "off" });
        fields.append(field(text.reason, "reason", why));
        wishes.push(() => ({ reason: filled(why, "reason") }));
    }
    const memo = h("textarea", { name: "note", maxlength: "2000" });
    memo.value = note;
    fields.append(field(text.note, "note", memo));
    const submit = h("button", { type: "submit", class: "btn main grow" }, text.save, h("kbd", {}, "Enter"));
    const point = (name, message) => {
        trouble.textContent = message;
        trouble.hidden = false;
        const element = named.get(name);
        element?.setAttribute("aria-invalid", "true");
        element?.focus();
    };
    const form = h("form", {
        class: "outcome",
        onsubmit: (event) => {
            event.preventDefault();
            trouble.hidden = true;
            for (const element of named.values())
                element.removeAttribute("aria-invalid");
            let wish;
            try {
                wish = Object.assign({ code: rule.code }, ...wishes.map((make) => make()));
            }
            catch (fault) {
                if (fault instanceof Missing)
                    return point(fault.field, `${text.missing}: ${named.get(fault.field)?.getAttribute("aria-label") ?? named.get(fault.field)?.closest("label")?.firstChild?.textContent ?? fault.field}`);
                throw fault;
            }
            if (memo.value.trim())
                wish.note = memo.value.trim();
            submit.disabled = true;
            submit.textContent = text.saving;
            save(wish).catch((fault) => {
                submit.disabled = false;
                submit.textContent = text.save;
                point(fault instanceof SoftphoneError ? (fault.field ?? "") : "", fault instanceof Error ? fault.message : String(fault));
            });
        },
    }, h("h2", {}, h("span", {}, codeName(rule.code, language)), h("span", { class: "cap" }, rule.code)), fields, trouble, h("div", { class: "row" }, h("button", { type: "button", class: "btn", onclick: back }, text.back, h("kbd", {}, "Esc")), submit));
    // The first field has the focus, or the button where there is nothing to fill in.
    queueMicrotask(() => ([...named.values()].find((element) => element !== memo) ?? submit).focus());
    return form;
}
class Missing extends Error {
    field;
    constructor(field) {
        super(field);
        this.field = field;
    }
}
