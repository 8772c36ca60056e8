// A line or an area that was drawn, as the page's address has it after #: `drawn=area:8.1,46.2,8.8,46.8,8.3,46.9`.
import type { Position } from "geojson";
import { type Drawn, drawnFrom, type Kind, kindOf, least } from "../map/draw";
import { inHash, keepInHash } from "../map/hash";
import { DRAWN } from "./measure";

/** Corners that an address can hold: browsers and proxies take some thousand characters. */
const MOST = 200;

/** Writes it down; null takes it out. What has more corners than an address holds is not kept. */
export function keepDrawn(drawn: Drawn | null): void {
  keepInHash(DRAWN, drawn && textOf(drawn));
}

function textOf({ geometry }: Drawn): string | null {
  const corners = geometry.type === "Polygon" ? (geometry.coordinates[0] ?? []).slice(0, -1) : geometry.coordinates;
  if (corners.length > MOST) return null;
  return `${kindOf(geometry)}:${corners.flat().join(",")}`;
}

/** True where the address holds this and nothing else. */
export const isKept = (drawn: Drawn | null): boolean => (drawn && textOf(drawn)) === inHash(DRAWN);

/** What the address asks for; null where it asks for nothing that can be drawn. */
export function keptDrawn(): Drawn | null {
  const [kind = "", text = ""] = (inHash(DRAWN) ?? "").split(":");
  const numbers = text.split(",").map((part) => (part.trim() ? Number(part) : NaN));
  if ((kind !== "line" && kind !== "area") || numbers.length % 2 || !numbers.every(Number.isFinite)) return null;
  const corners = Array.from({ length: numbers.length / 2 }, (_, index): Position => numbers.slice(2 * index, 2 * index + 2));
  const possible = corners.every(([, latitude = NaN]) => Math.abs(latitude) <= 90);
  return possible && corners.length >= least(kind satisfies Kind) && corners.length <= MOST ? drawnFrom(kind, corners) : null;
}
