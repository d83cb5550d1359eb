// The trials of a job as a table, latest first, a page at a time.

import { byId, element, redrawOn, setText, show } from "./dom.js";
import { isEstimate } from "./fitness.js";
import { clock, count, percent, plural } from "./format.js";

const PAGE = 100;

// `open(number)` shows one trial, `changed()` asks for another drawing. Returns `draw(data)`.
export function trialsTable({ open, changed }) {
  // How many later trials are passed over.
  let passed = 0;

  function turn(by) {
    passed += by;
    changed();
  }

  byId("trials-older").addEventListener("click", () => turn(PAGE));
  byId("trials-newer").addEventListener("click", () => turn(-PAGE));
  byId("trials").addEventListener("toggle", changed);

  return (data) => {
    if (!byId("trials").open) return;
    const ended = data.ended();
    const shown = ended.slice(Math.max(0, ended.length - passed - PAGE), ended.length - passed).reverse();
    redrawOn(byId("trials-table"), [passed, data.revision], () => [
      element("p", { class: "quiet" }, captionOf(passed, shown.length, ended.length)),
      ...(shown.length ? [trialTable(shown, open)] : []),
    ]);
    show(byId("trials-pages"), ended.length > PAGE);
    byId("trials-newer").disabled = passed === 0;
    byId("trials-older").disabled = passed + PAGE >= ended.length;
    setText(byId("trials-page"), `Page ${count(passed / PAGE + 1)} of ${count(Math.ceil(ended.length / PAGE))}`);
  };
}

function captionOf(passed, shown, all) {
  if (all === 0) return "No trial has ended yet.";
  if (passed > 0) return `${count(passed + 1)} to ${count(passed + shown)} of ${plural(all, "trial")}, counted from the latest.`;
  return shown < all ? `The latest ${shown} of ${plural(all, "trial")}.` : plural(all, "trial");
}

function trialTable(trials, open) {
  const columns = ["Trial", "Stage", "Generation", "Fitness", "Ended"];
  const head = columns.map((name) => element("th", { scope: "col" }, name));
  return element(
    "table",
    { class: "plain" },
    element("caption", { class: "hidden" }, "Trials, latest first"),
    element("thead", {}, element("tr", {}, ...head)),
    element("tbody", {}, ...trials.map((trial) => trialLine(trial, open))),
  );
}

function trialLine(trial, open) {
  const { number, stage, generation, fitness, reason, finished_at: at } = trial;
  const result =
    fitness === null
      ? element("td", { class: "failed" }, `failed: ${reason}`)
      : element("td", {}, ...fitnessWords(trial));
  const button = element("button", { type: "button", class: "link", "aria-label": `Trial ${number}` }, number);
  button.addEventListener("click", () => open(number));
  return element(
    "tr",
    {},
    element("th", { scope: "row" }, button),
    element("td", {}, stage),
    element("td", {}, generation),
    result,
    element("td", {}, element("time", { datetime: at }, clock(at))),
  );
}

function fitnessWords(trial) {
  const { fitness, n, same_as: original } = trial;
  const notes = [];
  if (trial.state === "estimated") notes.push(`from ${plural(n, "anchor")}`);
  if (trial.state === "stopped") notes.push(`stopped after ${plural(n, "item")}`);
  if (original !== null) notes.push(`the child of trial ${original}`);
  const value = isEstimate(trial) ? `about ${percent(fitness)}` : percent(fitness);
  return notes.length ? [value, " ", element("span", { class: "quiet" }, notes.join(", "))] : [value];
}
