// How long the server took for the latest tiles, from the request to the first byte.
import { by, element } from "../dom";

export function clock(): void {
  const times: number[] = [];
  const line = element("span", { title: "Tiles of this map, and the server's time for half of the latest" });
  by("readout").append(line);
  let count = 0;
  new PerformanceObserver((list) => {
    for (const entry of list.getEntries() as PerformanceResourceTiming[]) {
      if (!/\/\d+\/\d+\/\d+@2x\./.test(entry.name)) continue;
      count += 1;
      if (entry.requestStart) times.push(entry.responseStart - entry.requestStart);
    }
    if (!times.length) return;
    times.splice(0, times.length - 40);
    const middle = [...times].sort((a, b) => a - b)[Math.floor(times.length / 2)] ?? 0;
    line.textContent = `${count} tiles, ${middle.toFixed(0)} ms`;
  }).observe({ type: "resource", buffered: true });
}
