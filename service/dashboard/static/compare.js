// Several jobs side by side: courses, results, and what their specs differ in.

import { at, getJson } from "./api.js";
import { drawCourses } from "./courses.js";
import { byId, element, redrawOn, setText, show } from "./dom.js";
import { count, duration, elapsed, percent, points } from "./format.js";
import { coalesced } from "./pace.js";
import { loadPlotly } from "./plot.js";
import { differences } from "./spec_differences.js";
import { follow } from "./stream.js";
import { plainTable } from "./table.js";

const RETRY_MS = 3000;
const page = byId("main").dataset;
const ids = (new URLSearchParams(location.search).get("jobs") ?? "").split(",").filter(Boolean);
let found = [];
let plotly = null;

const refresh = coalesced(async () => {
  try {
    found = await Promise.all(ids.map(factsOf));
    show(byId("notice"), false);
    draw();
  } catch (error) {
    setText(byId("notice"), `The jobs could not be loaded: ${error.message}. Trying again…`);
    show(byId("notice"), true);
    setTimeout(refresh, RETRY_MS);
  }
}, 2000);

async function factsOf(id) {
  const path = `/v1/jobs/${id}`;
  const [job, glance, result] = await Promise.all([getJson(path), getJson(`${path}/panels/glance`), getJson(`${path}/result`)]);
  return { job, glance, result };
}

function draw() {
  show(byId("loading"), false);
  show(byId("empty"), found.length === 0);
  show(byId("compared"), found.length > 0);
  if (found.length === 0) return;
  const names = found.map(({ job }) => job.name);
  if (plotly) drawCourses(plotly, byId("course"), found);
  redrawOn(byId("results"), found, () => [resultTable(names)]);
  redrawOn(byId("differences"), found.map(({ job }) => job.spec), () => {
    const rows = differences(found.map(({ job }) => job.spec));
    if (rows.length === 0) return [element("p", { class: "quiet" }, "They are the same but for their names.")];
    return [plainTable("Where the specs differ", [{ name: "Field" }, ...names.map((name) => ({ name }))], rows)];
  });
}

function resultTable(names) {
  const rows = Object.entries(LINES).map(([term, words]) => [term, ...found.map(words)]);
  return plainTable("Results", [{ name: "" }, ...names.map((name) => ({ name }))], rows);
}

const LINES = {
  Job: ({ job }) => element("a", { href: at(`/jobs/${job.id}`) }, job.id.slice(0, 8)),
  State: ({ job }) => element("span", { class: "badge", "data-state": job.state }, job.state),
  Trials: ({ job }) => count(job.trials_finished + job.trials_failed),
  "Best fitness": ({ job }) => (job.best ? percent(job.best.fitness) : "–"),
  "Best parent": ({ glance }) => (glance.parent === null ? "–" : `${glance.parent}, ${percent(glance.parent_fitness)}`),
  Gain: ({ job, glance }) => (job.best && glance.parent !== null ? `${points(job.best.fitness - glance.parent_fitness)} points` : "–"),
  "Winner on holdout": ({ result }) => holdout(result),
  Optimism: ({ result }) => optimism(result),
  Took: ({ job }) => (elapsed(job) === null ? "–" : duration(elapsed(job))),
};

function holdout({ holdout: [winner], winner: number }) {
  if (!winner || winner.label !== String(number)) return "–";
  const lines = Object.entries(winner.accuracies).map(([task, { accuracy, low, high, n }]) =>
    element("div", {}, `${percent(accuracy)} (${percent(low)} – ${percent(high)}, n = ${count(n)})`, element("span", { class: "quiet" }, ` ${task}`)),
  );
  return lines.length ? element("div", {}, ...lines) : "–";
}

function optimism({ finalists, winner }) {
  const mine = finalists.find(({ trial }) => trial === winner)?.optimism;
  return mine === null || mine === undefined ? "–" : `${points(mine)} points`;
}

if (ids.length) {
  loadPlotly(page.plotly).then(
    (loaded) => {
      plotly = loaded;
      draw();
    },
    () => setText(byId("course-note"), "The chart could not be loaded; the table says the same."),
  );
  refresh();
} else draw();
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", draw);
follow({
  cursor: page.cursor,
  onEvent: (_kind, { job }) => ids.includes(job) && refresh(),
  onLost: () => show(byId("offline"), true),
  onResumed() {
    show(byId("offline"), false);
    if (ids.length) refresh();
  },
});
