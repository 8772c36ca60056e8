// The picture that says what colors stand for.

/** Shows a legend, or nothing where there is none. */
export function showLegend(image: HTMLImageElement, address: string): void {
  if (image.src === address) return;
  image.onload = () => (image.hidden = false);
  image.onerror = () => (image.hidden = true);
  image.src = address;
}
