// Places on the earth and on the map.

/** West, south, east, north in degrees; west > east where they cross the antimeridian. */
export type Bounds = readonly [number, number, number, number];

const EDGE = 85.051129;

/** Web Mercator as MapLibre and tiles have it: 0 to 1 from the north-west corner. */
export function mercator(longitude: number, latitude: number): [number, number] {
  const bound = (Math.max(-EDGE, Math.min(EDGE, latitude)) * Math.PI) / 180;
  return [(longitude + 180) / 360, (1 - Math.log(Math.tan(bound) + 1 / Math.cos(bound)) / Math.PI) / 2];
}

/** The bounds with an east that is not west of west: beyond 180 where they cross the antimeridian. */
export const unrolled = ([west, south, east, north]: Bounds): Bounds => [west, south, west > east ? east + 360 : east, north];

/** One box, or two at either side of the antimeridian; within what Web Mercator shows. */
export function pieces([west, south, east, north]: Bounds): Bounds[] {
  const [low, high] = [Math.max(south, -EDGE), Math.min(north, EDGE)];
  if (west <= east) return [[Math.max(west, -180), low, Math.min(east, 180), high]];
  return [
    [west, low, 180, high],
    [-180, low, east, high],
  ];
}

/** True where a tile of Web Mercator meets the bounds. */
export function meets(bounds: Bounds, { z, x, y }: { z: number; x: number; y: number }): boolean {
  const count = 2 ** z;
  return pieces(bounds).some(([west, south, east, north]) => {
    const [left, top] = mercator(west, north);
    const [right, bottom] = mercator(east, south);
    const inside = (from: number, to: number, at: number): boolean =>
      at >= Math.floor(from * count) && at < Math.max(Math.ceil(to * count), Math.floor(from * count) + 1);
    return inside(left, right, x) && inside(top, bottom, y);
  });
}

/** The size of the bounds in pixels of a map at zoom 0. */
export function sizeAtZero(bounds: Bounds): [number, number] {
  const [west, south, east, north] = unrolled(bounds);
  const [left, top] = mercator(west, north);
  const [right, bottom] = mercator(east, south);
  return [(right - left) * 512, (bottom - top) * 512];
}

export const wrap = (longitude: number): number => ((((longitude + 180) % 360) + 360) % 360) - 180;
