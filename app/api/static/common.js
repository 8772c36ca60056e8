// What all pages share: what the server told this page, and how to ask the server.

export const data = JSON.parse(document.getElementById("data").textContent);

/** The root of the service, whatever prefix a proxy puts in front. */
const root = new URL(data.root, location.href).href;

/** The access token that came with the page: what the page asks for needs it too. */
const token = new URLSearchParams(location.search).get("access_token");

/** The absolute address of a path below the root. `params` is a list of [name, value]; empty values are left out. */
export function address(path, params = []) {
  const query = new URLSearchParams(params.filter(([, value]) => value !== "" && value != null));
  if (token) query.set("access_token", token);
  const text = query.toString();
  return root + path + (text ? `?${text}` : "");
}

/** The JSON document at a path; an Error with the server's own words when it refuses. */
export async function json(path, params = [], signal = undefined) {
  let response;
  try {
    response = await fetch(address(path, params), { headers: { Accept: "application/json" }, signal });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Error("The server does not answer.");
  }
  const body = await response.json().catch(() => null);
  if (!response.ok) {
    const failure = new Error(words(body) ?? `The server answered ${response.status}.`);
    failure.status = response.status;
    throw failure;
  }
  return body;
}

function words(body) {
  const detail = body?.detail;
  if (typeof detail === "string") return detail;
  if (Array.isArray(detail)) return detail.map((item) => item.msg).join("; ");
  return null;
}

/** A new element: `element("a", { href: "…" }, "text", otherElement)`. Texts are never taken for HTML. */
export function element(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key in made) made[key] = value;
    else made.setAttribute(key, value);
  }
  made.append(...children.filter((child) => child != null));
  return made;
}

/** HTML whose tags have no attributes but the address of a link: browsers complain of handlers that they do not run. */
function bare(text) {
  return text.replace(/<(\/?[a-z][a-z0-9]*)([^>]*)>/gi, (_, name, attributes) => {
    const address = name.toLowerCase() === "a" && /\shref\s*=\s*("[^"]*"|'[^']*'|[^\s"'>]+)/i.exec(attributes);
    return address ? `<${name} href=${address[1]}>` : `<${name}>`;
  });
}

/** Credits as HTML that holds nothing but text and links: layers' documents may come from anybody. */
export function credits(text) {
  const parsed = new DOMParser().parseFromString(bare(text ?? ""), "text/html");
  const kept = document.createElement("span");
  const copy = (node) => {
    if (node.nodeType === Node.TEXT_NODE) kept.append(node.textContent);
    else if (node.nodeName === "A" && /^https?:/.test(node.getAttribute("href") ?? "")) {
      kept.append(element("a", { href: node.href, target: "_blank", rel: "noopener" }, node.textContent));
    } else if (!["SCRIPT", "STYLE"].includes(node.nodeName)) node.childNodes.forEach(copy);
  };
  copy(parsed.body);
  return kept.innerHTML;
}

/** A number as short as it can be read. */
export function short(value) {
  if (value == null) return "no data";
  if (Number.isInteger(value)) return String(value);
  return String(Number(value.toPrecision(6)));
}

/** Says something over the map, or takes it away again. */
export function say(text) {
  const message = document.getElementById("message");
  message.hidden = !text;
  message.replaceChildren(...(text ? [element("p", {}, text)] : []));
}
