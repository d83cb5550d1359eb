// A plain table, as the twin of a chart.

import { element } from "./dom.js";

// `columns`: {name, right}; `rows`: lists of texts or nodes, the first of which heads its row.
export function plainTable(caption, columns, rows) {
  const kind = (at) => (columns[at].right ? "right" : null);
  const head = columns.map(({ name }, at) => element("th", { scope: "col", class: kind(at) }, name));
  const line = ([first, ...rest]) =>
    element(
      "tr",
      {},
      element("th", { scope: "row", class: kind(0) }, first),
      ...rest.map((cell, at) => element("td", { class: kind(at + 1) }, cell)),
    );
  return element(
    "table",
    { class: "plain" },
    element("caption", { class: "hidden" }, caption),
    element("thead", {}, element("tr", {}, ...head)),
    element("tbody", {}, ...rows.map(line)),
  );
}
