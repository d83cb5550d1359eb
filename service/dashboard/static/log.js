// The log of a job: what happened to it, latest first.

import { getJson } from "./api.js";
import { byId, element, redrawOn, show } from "./dom.js";
import { moment, percent, plural } from "./format.js";
import { panel } from "./panel.js";
import { plainTable } from "./table.js";
import { phaseSentence } from "./words.js";

const LINES = 100;
const seconds = new Intl.DateTimeFormat(undefined, { dateStyle: "short", timeStyle: "medium" });

// Returns the panel; more and more lines are asked for, as somebody goes back in time.
export function logPanel() {
  let lines = LINES;
  const withTrials = byId("log-trials");
  const log = panel("log-panel", {
    keyOf: (data) => `${withTrials.checked ? data.told : data.toldOfJob} ${lines} ${withTrials.checked}`,
    load: ({ path }) => getJson(`${path}/panels/log?${new URLSearchParams({ trials: withTrials.checked, limit: lines })}`),
    draw(events) {
      show(byId("log-older"), events.length === lines);
      redrawOn(byId("log"), events, () => [table(events)]);
      return events.length > 0;
    },
  });
  byId("log-older").addEventListener("click", () => {
    lines += LINES;
    log.again();
  });
  withTrials.addEventListener("change", log.again);
  return log;
}

function table(events) {
  const columns = [{ name: "Time" }, { name: "Event" }, { name: "" }];
  const rows = events.map(({ at, kind, data }) => [
    element("time", { datetime: at, title: moment(at) }, seconds.format(new Date(at))),
    element("code", {}, kind),
    element("span", { class: "long" }, (WORDS[kind] ?? inGeneral)(data)),
  ]);
  return plainTable("What happened, latest first", columns, rows);
}

const WORDS = {
  "job.phase": ({ phase }) => phaseSentence(phase),
  "job.winner": ({ trial }) => `trial ${trial} is the winner`,
  "stage.seeded": ({ stage, seeds }) => `${stage} begins with ${plural(seeds.length, "trial")} by hand: ${seeds.map(({ label }) => label).join("; ")}`,
  "stage.ended": ({ stage, trials, limit }) => `${stage} ended after ${plural(trials, "trial")}${limit ? `, by its limit on ${limit}` : ""}`,
  "evaluation.finished": ({ subject, split, means, reason }) => `${subject} on ${split}: ${reason ?? scores(means)}`,
  "trial.finished": trialWords,
  "trial.rescored": trialWords,
};

function trialWords({ trial, state, fitness, reason }) {
  return `trial ${trial} ${state}${fitness === null ? `: ${reason}` : `, ${percent(fitness)}`}`;
}

const scores = (means) => Object.entries(means).map(([task, mean]) => `${task} ${percent(mean)}`).join(", ");

// Whatever an event says, as it says it.
function inGeneral(data) {
  return Object.entries(data)
    .filter(([, value]) => value !== null)
    .map(([name, value]) => `${name}: ${typeof value === "object" ? JSON.stringify(value) : value}`)
    .join(", ");
}
