// Which genes mattered, as bars that are a table of their own.

import { element } from "./dom.js";
import { percent } from "./format.js";

const MOST = 14;

// `stages`: the API's importances, one a stage.
export function importanceTables(stages) {
  return stages.flatMap((stage) => {
    const heading = stages.length > 1 ? [element("h3", {}, stage.stage)] : [];
    if (stage.importances === null) return [...heading, element("p", { class: "quiet" }, `${stage.notes.join(". ")}.`)];
    return [...heading, table(stage), note(stage)];
  });
}

function table({ importances, sensitivity }) {
  const shown = Object.entries(importances).slice(0, MOST);
  const largest = Math.max(...shown.map(([, share]) => share), 1e-9);
  const slopes = new Map(sensitivity?.slopes.map((slope) => [slope.gene, slope]));
  const head = ["Gene", "Share", "", "Slope at the best"].map((name) => element(name ? "th" : "td", name ? { scope: "col" } : {}, name));
  const lines = shown.map(([gene, share]) => {
    const bar = element("span", { class: "share-bar", "aria-hidden": "true" });
    bar.style.width = `${(100 * share) / largest}%`;
    return element(
      "tr",
      {},
      element("th", { scope: "row", class: "who" }, gene),
      element("td", { class: "right strong" }, percent(share)),
      element("td", { class: "bars" }, bar),
      element("td", { class: "quiet" }, slopeWords(slopes.get(gene))),
    );
  });
  return element(
    "table",
    { class: "plain importance" },
    element("caption", { class: "hidden" }, "Importance of genes"),
    element("thead", {}, element("tr", {}, ...head)),
    element("tbody", {}, ...lines),
  );
}

function slopeWords(slope) {
  if (!slope || slope.slope === null) return "–";
  const number = (value) => value.toFixed(3).replace("-", "−");
  const sure = slope.low > 0 ? "rises: " : slope.high < 0 ? "falls: " : "flat or unsure: ";
  return `${sure}${number(slope.slope)} (${number(slope.low)} to ${number(slope.high)})`;
}

function note({ trials, importances }) {
  const all = Object.keys(importances).length;
  const some = all > MOST ? `The first ${MOST} of ${all} genes. ` : "";
  return element("p", { class: "quiet" }, `${some}From ${trials} trials: how far the best tenth lies from all of them, gene by gene (PED-ANOVA). Slopes are fitness a unit, with 95% intervals.`);
}
