/** The person on the line: who, how much, why, what must not be said, and the first sentence. Draws what the card brings. */

import type { CallView, CardBody, CardName } from "../../softphone/dist/index.js";
import { h } from "./dom.js";
import { bars, day, money } from "./format.js";
import { codeName, words, type Language } from "./words.js";

/** The card's elements. `expand` asks for a further card. */
export function drawCard(card: CardBody, call: CallView | null, language: Language, expand: (card: CardName) => void): HTMLElement[] {
  const text = words(language);
  const { customer, loan } = card;
  const isLong = customer.name.length > 30;
  const hero = h(
    "section",
    { class: "card hero", "aria-label": text.customer },
    h(
      "div",
      {},
      h("h1", isLong ? { class: "long" } : {}, customer.salutation ? h("small", {}, customer.salutation) : null, customer.name),
      h(
        "div",
        { class: "meta" },
        h("span", { class: "num" }, customer.phone),
        customer.phone_label ? h("span", {}, customer.phone_label) : null,
        h("span", { class: "num" }, `CIF ${customer.cif}`),
        customer.segment ? h("span", {}, customer.segment) : null,
      ),
    ),
    h(
      "div",
      { class: "sum" },
      loan
        ? h(
            "div",
            {},
            h("div", { class: "row" }, h("span", { class: "cap grow" }, text.due), bucket(loan.bucket, loan.days_past_due, text.days)),
            h("div", { class: "big num" }, money(loan.due, loan.currency, language)),
            pair(`${loan.product ?? ""} · ${text.outstanding}`, money(loan.outstanding, loan.currency, language)),
            loan.minimum_to_cure ? pair(text.minimum, money(loan.minimum_to_cure, loan.currency, language)) : null,
          )
        : h("p", { class: "cap" }, card.complete === false ? text.loading : text.none),
    ),
  );
  const risks = (card.risk?.flags ?? []).map((flag) => h("span", { class: "tag stop" }, flag));
  const cares = (card.care ?? []).map((care) => h("span", { class: "tag care" }, care));
  const strip = h(
    "div",
    { class: "row" },
    card.campaign.why ? h("span", { class: "why" }, h("b", {}, `${text.why} `), card.campaign.why) : null,
    ...risks,
    ...cares,
    ...(customer.verify ?? []).map((what) => h("span", { class: "tag warn" }, `${text.verify}: ${what}`)),
  );
  const sentence = card.greeting ?? card.script?.opening;
  const say = sentence
    ? h(
        "section",
        { class: "card say", "aria-label": text.sayNow },
        h("span", { class: "cap" }, text.sayNow),
        h("p", {}, sentence),
        card.script?.required?.length ? h("ul", {}, ...card.script.required.map((line) => h("li", {}, `• ${line}`))) : null,
      )
    : null;
  const more = call === null ? [] : (card.more ?? []).filter((name) => name !== "customer");
  const opened = Object.entries(call?.cards ?? {}).map(([name, body]) =>
    h("section", { class: "card more" }, h("h2", {}, text.cards[name as CardName] ?? name), h("pre", {}, readable(body))),
  );
  return [
    hero,
    strip,
    ...(say ? [say] : []),
    h("section", { class: "facts", "aria-label": text.more }, ...facts(card, language)),
    ...(more.length > 0
      ? [h("div", { class: "row" }, h("span", { class: "cap" }, text.more), ...more.map((name) => h("button", { type: "button", class: "btn small", onclick: () => expand(name) }, text.cards[name])))]
      : []),
    ...opened,
  ];
}

function facts(card: CardBody, language: Language): HTMLElement[] {
  const text = words(language);
  const { last_contact: contact, last_payment: payment, promise, mood, loan } = card;
  return [
    fact(text.lastContact, contact ? `${day(contact.at, language)} · ${codeName(contact.outcome ?? "", language)}` : text.none, [contact?.by, contact?.note]),
    fact(text.lastPayment, payment ? money(payment.amount, loan?.currency, language) : text.none, [day(payment?.at, language), payment?.method]),
    fact(
      text.promise,
      promise ? `${text.kept} ${promise.kept ?? 0} · ${text.broken} ${promise.broken ?? 0}` : text.none,
      promise ? [`${money(promise.amount, loan?.currency, language)} · ${day(promise.due, language)}`, promise.state] : [],
    ),
    fact(text.mood, mood?.cooperation ?? text.none, [mood?.preference, mood?.best_hours]),
  ];
}

function fact(title: string, main: string, rest: (string | null | undefined)[]): HTMLElement {
  const more = rest.filter((part): part is string => Boolean(part)).join(" · ");
  return h("div", { class: "card" }, h("span", { class: "cap" }, title), h("b", {}, main), more ? h("p", {}, more) : null);
}

function pair(name: string, value: string): HTMLElement {
  return h("div", { class: "pair" }, h("span", {}, name), h("b", { class: "num" }, value));
}

/** Level by bars, number and colour: a grey print still reads. */
function bucket(name: string | undefined, days: number | undefined, word: string): HTMLElement {
  const level = bars(name);
  const marks = Array.from({ length: 6 }, (_, n) => h("b", n < level ? { class: "on" } : {}));
  return h("span", { class: `dpd B${level}` }, h("i", { "aria-hidden": "true" }, ...marks), `${name ?? ""} · ${days ?? 0} ${word}`);
}

/** A card as the importer brought it, as lines of "name: value". */
function readable(body: unknown, indent = ""): string {
  if (Array.isArray(body)) return body.map((part) => readable(part, indent)).join(`\n${indent}—\n`);
  if (typeof body !== "object" || body === null) return `${indent}${String(body ?? "")}`;
  return Object.entries(body)
    .map(([name, value]) => (typeof value === "object" && value !== null ? `${indent}${name}:\n${readable(value, `${indent}  `)}` : `${indent}${name}: ${String(value)}`))
    .join("\n");
}
