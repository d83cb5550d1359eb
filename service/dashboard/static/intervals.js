// A table of accuracies with their 95 % intervals, each also drawn as a dot with whiskers.

import { element } from "./dom.js";
import { count, percent } from "./format.js";

const STEP = 0.05;

// `rows`: {label, note, score, reason, highlight, p}; `score` is an Accuracy of the API, or null.
// There is a column for p where any row has one.
export function intervalTable(caption, rows) {
  const scale = scaleOf(rows.flatMap(({ score }) => (score ? [score] : [])));
  const tested = rows.some(({ p }) => p !== undefined);
  return element(
    "table",
    { class: "intervals" },
    element("caption", { class: "hidden" }, caption),
    element("thead", {}, heading(scale, tested)),
    element("tbody", {}, ...rows.map((row) => line(row, scale, tested))),
  );
}

function heading(scale, tested) {
  const column = (text, kind) => element("th", { scope: "col", class: kind }, text);
  const ends = element(
    "span",
    { class: "ends" },
    element("span", {}, whole(scale.low)),
    element("span", {}, whole(scale.high)),
  );
  const plot = element("th", { scope: "col", class: "plot", "aria-label": "Plot" }, ends);
  return element(
    "tr",
    {},
    column("Model", ""),
    column("Accuracy", "right"),
    column("95% interval", "right"),
    column("n", "right"),
    ...(tested ? [column("p", "right")] : []),
    plot,
  );
}

function line({ label, note, score, reason, highlight, p }, scale, tested) {
  const name = element("th", { scope: "row" }, element("span", { class: "who" }, label));
  if (note) name.append(element("span", { class: "quiet" }, note));
  if (!score) {
    return element("tr", {}, name, element("td", { colspan: tested ? 5 : 4, class: "failed" }, reason ?? "–"));
  }
  return element(
    "tr",
    { class: highlight ? "highlight" : null },
    name,
    element("td", { class: "right strong" }, percent(score.accuracy)),
    element("td", { class: "right" }, `${percent(score.low)} – ${percent(score.high)}`),
    element("td", { class: "right" }, count(score.n)),
    ...(tested ? [element("td", { class: "right p" }, p === undefined ? "" : chance(p))] : []),
    element("td", { class: "plot" }, whisker(score, scale)),
  );
}

function whisker({ accuracy, low, high }, scale) {
  const bar = element("span", { class: "bar" });
  bar.style.left = scale.place(low);
  bar.style.right = `calc(100% - ${scale.place(high)})`;
  const dot = element("span", { class: "dot" });
  dot.style.left = scale.place(accuracy);
  return element("span", { class: "whisker", "aria-hidden": "true" }, bar, dot);
}

function scaleOf(scores) {
  const low = Math.floor(Math.min(...scores.map((score) => score.low), 1) / STEP) * STEP;
  const high = Math.ceil(Math.max(...scores.map((score) => score.high), low + STEP) / STEP) * STEP;
  const place = (share) => `${(100 * (share - low)) / (high - low)}%`;
  return { low, high, place };
}

const chance = (p) => (p < 0.0001 ? "< 0.0001" : p.toFixed(4));
const whole = (share) => `${Math.round(share * 100)}%`;
