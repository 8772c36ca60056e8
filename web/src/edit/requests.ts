// The routes that change layers, as scripts use them too.
import { json, Problem } from "../page";
import { token } from "./token";

/** A layer's document, and which one that is: what a change has to name. */
export interface Known {
  readonly document: LayerDocument;
  readonly tag: string;
}

export interface LayerDocument {
  readonly id: string;
  readonly name?: string;
  readonly order?: number | null;
}

export interface NewLayer {
  readonly id: string;
  readonly source: string;
  readonly kind: string;
  readonly name?: string;
  readonly render: string;
}

const pathOf = (id: string): string => id.split("/").map(encodeURIComponent).join("/");

async function send<Body>(method: string, path: string, body?: unknown, tag?: string): Promise<{ body: Body; tag: string }> {
  const headers: Record<string, string> = { Authorization: `Bearer ${token()}` };
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (tag !== undefined) headers["If-Match"] = tag;
  let found = "";
  const told = (response: Response): void => void (found = response.headers.get("etag") ?? "");
  const init: RequestInit = { method, headers, ...(body === undefined ? {} : { body: JSON.stringify(body) }) };
  return { body: await json<Body>(path, [], init, told), tag: found };
}

export async function read(id: string): Promise<Known> {
  const { body, tag } = await send<LayerDocument>("GET", `layers/${pathOf(id)}/document`);
  return { document: body, tag };
}

export const add = (layer: NewLayer): Promise<unknown> => send("POST", "layers", layer);

export const change = (id: string, tag: string, patch: object): Promise<unknown> =>
  send("PATCH", `layers/${pathOf(id)}`, patch, tag);

export const remove = (id: string, tag: string): Promise<unknown> => send("DELETE", `layers/${pathOf(id)}`, undefined, tag);

export const putStyle = (id: string, tag: string, name: string, style: object): Promise<unknown> =>
  send("PUT", `layers/${pathOf(id)}/styles/${encodeURIComponent(name)}`, style, tag);

/** True where somebody else has changed the layer since it was read. */
export const isOvertaken = (error: unknown): boolean => error instanceof Problem && error.status === 412;

/** True where the token is missing, wrong, or not that of an admin. */
export const isRefused = (error: unknown): boolean => error instanceof Problem && [401, 403].includes(error.status);
