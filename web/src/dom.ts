// Elements of a page.

type Child = Node | string | null | undefined;

/** The element of that id, which the template has. */
export function by<Found extends HTMLElement = HTMLElement>(id: string): Found {
  const found = document.getElementById(id);
  if (!found) throw new Error(`The page has no #${id}.`);
  return found as Found;
}

/** A new element: `element("a", { href: "…" }, "text", otherElement)`. Texts are never taken for HTML. */
export function element<Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  properties: Readonly<Record<string, unknown>> = {},
  ...children: Child[]
): HTMLElementTagNameMap[Name] {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key in made) (made as unknown as Record<string, unknown>)[key] = value;
    else made.setAttribute(key, String(value));
  }
  made.append(...children.filter((child) => child != null));
  return made;
}

/** HTML whose tags have no attributes but the address of a link: browsers complain of handlers that they do not run. */
function bare(text: string): string {
  return text.replace(/<(\/?[a-z][a-z0-9]*)([^>]*)>/gi, (_, name: string, attributes: string) => {
    const address = name.toLowerCase() === "a" && /\shref\s*=\s*("[^"]*"|'[^']*'|[^\s"'>]+)/i.exec(attributes);
    return address ? `<${name} href=${address[1]}>` : `<${name}>`;
  });
}

/** Credits as HTML that holds nothing but text and links: layers' documents may come from anybody. */
export function credits(text: string | null | undefined): string {
  const parsed = new DOMParser().parseFromString(bare(text ?? ""), "text/html");
  const kept = document.createElement("span");
  const copy = (node: Node): void => {
    if (node.nodeType === Node.TEXT_NODE) kept.append(node.textContent ?? "");
    else if (node instanceof HTMLAnchorElement && /^https?:/.test(node.getAttribute("href") ?? "")) {
      kept.append(element("a", { href: node.href, target: "_blank", rel: "noopener" }, node.textContent));
    } else if (!["SCRIPT", "STYLE"].includes(node.nodeName)) node.childNodes.forEach(copy);
  };
  copy(parsed.body);
  return kept.innerHTML;
}

/** A number as short as it can be read. */
export function short(value: number | null | undefined): string {
  if (value == null) return "no data";
  if (Number.isInteger(value)) return String(value);
  return String(Number(value.toPrecision(6)));
}

/** Says something over the map, or takes it away again. */
export function say(text: string | null, ...more: Child[]): void {
  const message = by("message");
  message.hidden = !text;
  message.replaceChildren(...(text ? [element("p", {}, text, ...more)] : []));
}

/** Says something at the map's edge, which can be sent away. */
export function note(text: string | null, ...more: Child[]): void {
  const place = by("note");
  place.hidden = !text;
  if (!text) return;
  const close = element("button", { type: "button", className: "quiet", ariaLabel: "Close" }, "×");
  close.addEventListener("click", () => (place.hidden = true));
  place.replaceChildren(element("span", {}, text, ...more), close);
}

/** Writes a text to the clipboard, also where the page came over http by name. False: it was not possible. */
export async function copy(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text);
    return true;
  } catch {
    const area = element("textarea", { value: text, className: "visually-hidden" });
    document.body.append(area);
    area.select();
    const done = document.execCommand("copy");
    area.remove();
    return done;
  }
}
