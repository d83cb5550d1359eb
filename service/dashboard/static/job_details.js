// The lower sections of a job's page: failures, recipe, parents, exports.

import { at } from "./api.js";
import { byId, element, redrawOn, setText, show } from "./dom.js";
import { plural } from "./format.js";
import { descending, tablesOf } from "./job_result.js";

const NUMBERS = 12;

export function drawFailures(data) {
  show(byId("failed"), data.failed > 0);
  if (data.failed === 0) return;
  setText(byId("failed-summary"), plural(data.failed, "failed trial"));
  redrawOn(byId("failed-reasons"), data.failed, () => {
    const byReason = new Map();
    for (const { number, fitness, reason } of data.ended()) {
      if (fitness !== null) continue;
      if (!byReason.has(reason)) byReason.set(reason, []);
      byReason.get(reason).push(number);
    }
    return [...byReason].map(([reason, numbers]) =>
      element("li", {}, element("span", { class: "reason" }, reason), " ", numbersOf(numbers)),
    );
  });
}

function numbersOf(numbers) {
  const listed = numbers.slice(0, NUMBERS).join(", ");
  const more = numbers.length > NUMBERS ? ` and ${numbers.length - NUMBERS} more` : "";
  const text = `${numbers.length === 1 ? "trial" : "trials"} ${listed}${more}`;
  return element("span", { class: "quiet" }, text);
}

export function drawRecipe({ best, job, path }) {
  if (best === null) return;
  const role = best.final ? "the winner" : "the best so far";
  setText(byId("recipe-note"), `Trial ${best.trial}, ${role}. Digest ${best.recipe_digest.slice(0, 12)}.`);
  byId("recipe-note").title = best.recipe_digest;
  setText(byId("recipe"), best.recipe);
  show(byId("recipe"), true);
  const link = byId("recipe-link");
  link.href = at(`${path}/trials/${best.trial}/recipe.yaml`);
  link.download = `${job.name.replaceAll(" ", "-")}-trial-${best.trial}.yaml`;
  show(link, true);
}

export function drawParents(data) {
  if (data.parents.length === 0) return;
  const label = (evaluation) => ({ evaluation, label: evaluation.label });
  redrawOn(byId("parents"), data.parents, () =>
    tablesOf(descending(data.parents.map(label), data.tasks), data.tasks, "search"),
  );
}

export function drawExports({ exports }) {
  show(byId("exports"), exports.length > 0);
  redrawOn(byId("exports-list"), exports, () => [...exports].reverse().map(exportLine));
}

function exportLine({ trial, state, folder, reason, repository, commit }) {
  const words = {
    queued: "being written…",
    uploading: `being uploaded to ${repository}…`,
    finished: commit ? "published as" : "written to",
    failed: "failed:",
  };
  const line = element("li", { "data-state": state }, `Trial ${trial} `, words[state] ?? state, " ");
  if (state === "finished") line.append(element("code", { class: "long" }, commit ?? folder));
  if (state === "failed") line.append(element("span", { class: "reason" }, reason));
  return line;
}
