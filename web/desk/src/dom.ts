/** Makes elements without markup in strings: what a borrower's file says is text and stays text. */

type Child = Node | string | null | undefined | false;
type Attributes = Record<string, string | number | boolean | null | undefined | ((event: Event) => void)>;

/** An element. `on...` attributes are listeners; `true` is an empty attribute; `false`, `null` and `undefined` leave it out. */
export function h<Tag extends keyof HTMLElementTagNameMap>(
  tag: Tag,
  attributes: Attributes = {},
  ...children: Child[]
): HTMLElementTagNameMap[Tag] {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue;
    if (typeof value === "function") element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  element.append(...children.filter((child): child is Node | string => child !== null && child !== undefined && child !== false));
  return element;
}

/** Puts children in place of what is there. */
export function fill(element: Element, ...children: Child[]): void {
  element.replaceChildren(...children.filter((child): child is Node | string => child !== null && child !== undefined && child !== false));
}

/** Focus and typed text must outlive a repaint: only a panel whose key changed is made anew. */
export class Panel {
  #key: string | null = null;

  constructor(readonly element: HTMLElement) {}

  /** Makes the content anew if `key` differs from the last one. */
  show(key: string, make: () => Child[]): void {
    if (key === this.#key) return;
    this.#key = key;
    fill(this.element, ...make());
  }
}
