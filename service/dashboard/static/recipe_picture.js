// A recipe as a picture: numbers by layer and parent as a heat map, or a path through blocks.

import { element } from "./dom.js";
import { drawPath } from "./path_drawing.js";

// `picture`: as the service makes it. Returns nodes; every heat map is a table of its own numbers.
export function recipePicture(picture) {
  if (picture.hops.length) return drawPath(picture.hops);
  const base = picture.base === null ? "" : ` on top of ${picture.base}`;
  const same = picture.grids.filter(isConstant).map(({ name, values }) => ` ${name}: ${values[0][0]}.`);
  const words = `${picture.method.replaceAll("_", " ")}${base}.${same.join("")} Rows run from the embeddings to the top.`;
  const maps = picture.grids.filter((grid) => !isConstant(grid)).map(heatMap);
  return [element("p", { class: "quiet" }, words), element("div", { class: "heats" }, ...maps)];
}

// One value for all layers and models is said in words.
const isConstant = ({ columns, values }) => columns.length === 1 && new Set(values.flat()).size === 1;

function heatMap({ name, summary, columns, rows, values }) {
  const largest = Math.max(...values.flat().map((value) => (typeof value === "number" ? Math.abs(value) : 0)));
  const head = columns.map((column) => element("th", { scope: "col" }, column));
  const lines = rows.map((row, at) =>
    element("tr", {}, element("th", { scope: "row" }, row), ...values[at].map((value) => cell(value, largest))),
  );
  return element(
    "table",
    { class: "heat" },
    element("caption", { title: summary }, name),
    element("thead", {}, element("tr", {}, element("td", {}), ...head)),
    element("tbody", {}, ...lines),
  );
}

function cell(value, largest) {
  if (typeof value !== "number") return element("td", {}, value === null ? "" : String(value));
  const made = element("td", { class: value < 0 ? "below" : null }, inShort(value));
  made.style.setProperty("--share", `${largest ? Math.round((55 * Math.abs(value)) / largest) : 0}%`);
  return made;
}

function inShort(value) {
  if (Number.isInteger(value)) return String(value);
  const digits = Math.abs(value) < 0.1 ? 3 : 2;
  return value.toFixed(digits).replace("-", "−");
}
