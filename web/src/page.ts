// What the server told this page, and how to ask the server.

export type Params = readonly (readonly [string, string | number | null | undefined])[];

/** The basemap that the operator chose: `TILERY_BASEMAP`. */
export interface Basemap {
  readonly kind: "world" | "none" | "style" | "tiles";
  readonly url?: string;
  readonly attribution?: string | null;
}

const text = document.getElementById("data")?.textContent ?? "{}";
const given = JSON.parse(text) as { root: string; basemap?: Basemap; editing?: boolean; files?: boolean };

/** What the server wrote into the page; each page knows its own members. */
export const dataOf = <Data>(): Data => given as unknown as Data;

export const basemap: Basemap = given.basemap ?? { kind: "world" };

/** Whether there are routes that change layers; who may use them has a token. */
export const isEditable = given.editing ?? false;

/** Whether the server lists what it may read. */
export const listsFiles = given.files ?? false;

/** The root of the service, whatever prefix a proxy puts in front. */
const root = new URL(given.root, location.href).href;

const ACCESS: readonly string[] = ["access_token", "access_signature"];

/** Whether a parameter of an address says who asks, and not for what. */
export const isAccess = (name: string): boolean => ACCESS.includes(name);

/** What let the page in, a token or a signature in its address: what the page asks for needs it too. */
export const access = [...new URLSearchParams(location.search)].filter(([name]) => isAccess(name));

/** Whether the page may ask for one layer or one source alone. */
export const isSigned = access.some(([name]) => name === "access_signature");

/** A failure in the server's own words. */
export class Problem extends Error {
  constructor(
    message: string,
    readonly status: number,
  ) {
    super(message);
  }
}

/** The absolute address of a path below the root. Empty values are left out. */
export function address(path: string, params: Params = []): string {
  const kept = params.filter(([, value]) => value !== "" && value != null).map(([name, value]) => [name, String(value)]);
  const query = new URLSearchParams(kept);
  for (const [name, value] of access) query.set(name, value);
  const written = query.toString();
  return root + path + (written ? `?${written}` : "");
}

/** An address whose path has names in braces, as {z}, which stay as they are. */
export const template = (path: string, params: Params = []): string =>
  address("PATH", params).replace("PATH", () => path);

/** The JSON document at a path, null where there is none; a Problem with the server's own words when it refuses. */
export async function json<Body>(
  path: string,
  params: Params = [],
  init: RequestInit = {},
  told: (answer: Response) => void = () => undefined,
): Promise<Body> {
  let response: Response;
  try {
    response = await fetch(address(path, params), { ...init, headers: { Accept: "application/json", ...init.headers } });
  } catch (error) {
    if (error instanceof DOMException && error.name === "AbortError") throw error;
    throw new Problem("The server does not answer.", 0);
  }
  const body: unknown = await response.json().catch(() => null);
  if (!response.ok) throw new Problem(words(body) ?? `The server answered ${response.status}.`, response.status);
  told(response);
  return body as Body;
}

/** The picture at an address; a Problem with the server's own words when it refuses. */
export async function picture(from: string, signal: AbortSignal): Promise<Blob> {
  const answer = await fetch(from, { signal });
  if (!answer.ok) throw new Problem(wordsIn(await answer.text()) ?? `The server answered ${answer.status}.`, answer.status);
  return answer.blob();
}

/** The sentence of a problem document, or null. */
export function words(body: unknown): string | null {
  const detail = (body as { detail?: unknown } | null)?.detail;
  if (typeof detail === "string") return detail;
  if (Array.isArray(detail)) return detail.map((item: { msg?: string }) => item.msg).join("; ");
  return null;
}

/** The sentence in the bytes of a problem document, or null. */
export function wordsIn(document: string): string | null {
  try {
    return words(JSON.parse(document));
  } catch {
    return null;
  }
}

/** The message of whatever was thrown; null where a request was only given up. */
export function messageOf(error: unknown): string | null {
  if (error instanceof DOMException && error.name === "AbortError") return null;
  return error instanceof Error ? error.message : String(error);
}
