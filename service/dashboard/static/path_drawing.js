// A path through the blocks of its parents: a mark for every hop, at the height of its layer.

import { element } from "./dom.js";
import { plural } from "./format.js";
import { shape } from "./svg.js";
import { plainTable } from "./table.js";

const LEFT = 52;
const TOP = 16;
const BOTTOM = 46;
const TALLEST = 320;
const WIDEST_STEP = 44;
const NARROWEST_STEP = 15;
const WIDTH = 1020;
const MARKS = 4;

export function drawPath(hops) {
  const models = [...new Set(hops.map(({ model }) => model))];
  const scaled = hops.some(({ scale }) => scale !== 1);
  const note = `${plural(hops.length, "hop")} through blocks of ${models.join(" and ")}${scaled ? "; a mark’s size and the number under it are the scale on entry" : ", all unscaled"}.`;
  const twin = plainTable(
    "Hops of the path",
    [{ name: "Hop", right: true }, { name: "Model" }, { name: "Layer", right: true }, { name: "Scale", right: true }],
    hops.map(({ model, layer, scale }, at) => [at + 1, model, layer, scale.toFixed(3)]),
  );
  const table = element("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Hops" }, twin);
  return [
    element("p", { class: "quiet" }, note),
    legend(models),
    element("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Path drawing" }, drawing(hops, models, scaled, note)),
    element("details", {}, element("summary", {}, "View path as table"), table),
  ];
}

function drawing(hops, models, scaled, note) {
  const step = Math.max(NARROWEST_STEP, Math.min(WIDEST_STEP, (WIDTH - LEFT) / hops.length));
  const top = Math.max(...hops.map(({ layer }) => layer), 1);
  const height = Math.min(TALLEST, Math.max(120, 22 * top));
  const x = (at) => LEFT + step * (at + 0.5);
  const y = (layer) => TOP + height * (1 - layer / top);
  const width = LEFT + step * hops.length + 8;
  const root = shape("svg", { class: "path", width, height: TOP + height + BOTTOM, role: "img", "aria-label": note });
  const every = Math.max(1, Math.ceil(top / 8));
  for (let layer = 0; layer <= top; layer += every) {
    root.append(shape("line", { class: "grid", x1: LEFT, x2: width, y1: y(layer), y2: y(layer) }));
    root.append(shape("text", { x: LEFT - 10, y: y(layer) + 4, "text-anchor": "end" }, `layer ${layer}`));
  }
  hops.slice(1).forEach((hop, at) => {
    const before = hops[at];
    const onward = hop.model === before.model && hop.layer === before.layer + 1;
    const ends = { x1: x(at), y1: y(before.layer), x2: x(at + 1), y2: y(hop.layer) };
    root.append(shape("line", { class: onward ? "onward" : "jump", ...ends }));
  });
  hops.forEach((hop, at) => {
    root.append(mark(models.indexOf(hop.model) % MARKS, x(at), y(hop.layer), radius(hop.scale, step), titleOf(hop, at)));
    if (scaled && (step > 26 || at % 2 === 0)) {
      root.append(shape("text", { class: "scale", x: x(at), y: TOP + height + 26, "text-anchor": "middle" }, hop.scale.toFixed(2)));
    }
  });
  root.append(shape("text", { x: width - 8, y: TOP + height + 42, "text-anchor": "end" }, "hops from the embeddings to the head →"));
  return root;
}

const titleOf = ({ model, layer, scale }, at) => `Hop ${at + 1}: ${model}, layer ${layer}, scale ${scale.toFixed(3)}`;

const radius = (scale, step) => Math.min(step / 2 - 1, Math.max(3, 6 * Math.sqrt(Math.abs(scale))));

// Shape and colour both tell the parents apart.
function mark(kind, x, y, size, title) {
  const attributes = { class: `mark mark-${kind}` };
  const made =
    kind === 0
      ? shape("circle", { ...attributes, cx: x, cy: y, r: size })
      : kind === 1
        ? shape("rect", { ...attributes, x: x - size * 0.88, y: y - size * 0.88, width: size * 1.76, height: size * 1.76, rx: 1.5 })
        : shape("path", { ...attributes, d: kind === 2 ? diamond(x, y, size * 1.2) : triangle(x, y, size * 1.2) });
  made.append(shape("title", {}, title));
  return made;
}

const diamond = (x, y, size) => `M${x} ${y - size}L${x + size} ${y}L${x} ${y + size}L${x - size} ${y}Z`;
const triangle = (x, y, size) => `M${x} ${y - size}L${x + size} ${y + size * 0.8}L${x - size} ${y + size * 0.8}Z`;

function legend(models) {
  const items = models.map((model, at) => {
    const key = shape("svg", { class: "path", width: 16, height: 16, "aria-hidden": "true" });
    key.append(mark(at % MARKS, 8, 8, 5.5, model));
    return element("li", {}, key, model);
  });
  return element("ul", { class: "legend" }, ...items);
}
