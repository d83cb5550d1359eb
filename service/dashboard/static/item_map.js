// Two models item by item: who was right where.

import { element } from "./dom.js";
import { count, plural } from "./format.js";

const KINDS = [
  ["both", "both right"],
  ["first", (first, second) => `only ${first} right`],
  ["second", (first, second) => `only ${second} right`],
  ["none", "both wrong"],
];

// The kinds in words, of two models by their names.
export const namesOf = (first, second) =>
  KINDS.map(([kind, words]) => [kind, typeof words === "string" ? words : words(first, second)]);

// `first`, `second`: {label, scores}, scores on the same items in the same order.
export function itemMap(task, first, second) {
  const kinds = first.scores.map((score, at) => kindOf(score, second.scores[at]));
  const names = namesOf(first.label, second.label);
  const cells = kinds.map((kind, at) => element("span", { class: `item ${kind}`, title: `Item ${at + 1}: ${names.find(([name]) => name === kind)[1]}` }));
  const at = (wanted) => kinds.flatMap((kind, place) => (kind === wanted ? [place + 1] : []));
  const legend = names.map(([kind, words]) =>
    element("li", {}, element("span", { class: `item ${kind}`, "aria-hidden": "true" }), `${words}: ${count(at(kind).length)}`),
  );
  const listed = names.map(([kind, words]) => [element("dt", {}, words), element("dd", {}, at(kind).join(", ") || "no item")]).flat();
  return element(
    "section",
    {},
    element("h3", {}, `${task}, ${plural(kinds.length, "item")} of the search split`),
    element("ul", { class: "legend" }, ...legend),
    element("div", { class: "items", role: "img", "aria-label": `Item by item: ${legend.map((line) => line.textContent).join("; ")}` }, ...cells),
    element("details", {}, element("summary", {}, "View items as list"), element("dl", { class: "plain-list" }, ...listed)),
  );
}

// Which of the kinds an item is, by both scores.
export function kindOf(a, b) {
  if (a === b) return a >= 0.5 ? "both" : "none";
  return a > b ? "first" : "second";
}
