// The landing page: a card for each layer.
import { address, element, json } from "./common.js";

function card(layer) {
  const picture = element("img", {
    src: address(`layers/${layer.id}/preview.webp`, [["max_size", "480"]]),
    alt: "",
    loading: "lazy",
  });
  picture.addEventListener("error", () => picture.remove());
  const map = address("map", []) + `#layers=${layer.id}`;
  return element(
    "li",
    { className: "card" },
    element("a", { className: "picture", href: map, tabIndex: -1, ariaHidden: "true" }, picture),
    element(
      "div",
      { className: "text" },
      element("h3", {}, element("a", { href: map }, layer.name ?? layer.id)),
      layer.description ? element("p", {}, layer.description) : null,
    ),
    element(
      "div",
      { className: "links" },
      element("a", { href: address(layer.id) }, "TileJSON"),
      element("a", { href: address(`layers/${layer.id}/info`) }, "Info"),
      element("a", { href: address(`${layer.id}/wmts`) }, "WMTS"),
    ),
  );
}

try {
  const { layers } = await json("layers");
  document.getElementById("layers").replaceChildren(...layers.map(card));
  document.getElementById("no-layers").hidden = layers.length > 0;
} catch (error) {
  document.getElementById("layers").replaceChildren(element("li", { className: "soft" }, error.message));
}
