// One job's page: fetch, follow, and hand each section its facts.

import { drawChart } from "./chart.js";
import { byId, setText, show } from "./dom.js";
import { isEstimate } from "./fitness.js";
import { percent } from "./format.js";
import { drawActions, jobActions } from "./job_actions.js";
import { JobData } from "./job_data.js";
import { drawExports, drawFailures, drawParents, drawRecipe, drawTrials } from "./job_details.js";
import { drawHead, drawTiles, tick } from "./job_head.js";
import { jobPanels } from "./job_panels.js";
import { drawResult } from "./job_result.js";
import { coalesced, paced } from "./pace.js";
import { loadPlotly } from "./plot.js";
import { follow } from "./stream.js";
import { trialDialog, trialOfAddress } from "./trial_dialog.js";
import { hasEnded } from "./words.js";

const RETRY_MS = 3000;
const page = byId("main").dataset;
const data = new JobData(page.job);
const panels = jobPanels(page.plotly);
const openTrial = trialDialog(data);
let plotly = null;
let lost = false;
// The trial that the page's address asks for, until it is shown.
let wanted = trialOfAddress();

const refresh = coalesced(async () => {
  try {
    await data.refresh();
    show(byId("notice"), data.job.state === "failed");
    if (data.job.reason) setText(byId("notice"), `The job failed. ${data.job.reason}`);
  } catch (error) {
    // While the stream is away its banner says so, and its return asks for everything.
    if (!lost) {
      complain(`The job could not be loaded: ${error.message}. Trying again…`);
      setTimeout(refresh, RETRY_MS);
    }
  }
  render();
}, 500);

const render = paced(() => {
  if (data.job === null) return;
  drawHead(data);
  drawActions(data);
  drawTiles(data);
  drawResult(data);
  drawFitness();
  drawTrials(data, openTrial);
  drawFailures(data);
  drawRecipe(data);
  drawParents(data);
  drawExports(data);
  panels.update(data);
  if (wanted !== null && data.trials.has(wanted)) {
    openTrial(wanted);
    wanted = null;
  }
});

function drawFitness() {
  const scored = data.ended().filter(({ fitness }) => fitness !== null);
  const parents = data.parentFitness();
  const begun = scored.length + parents.length > 0;
  const target = byId("chart");
  show(byId("chart-wait"), !begun);
  show(target, begun && plotly !== null);
  if (!begun || plotly === null) return;
  let first = 0;
  const stages = data.job.stages.map(({ name, trials, total }) => {
    const stage = { name, first };
    first += total ?? trials;
    return stage;
  });
  const chosen = data.trials.get(data.chosen());
  const name = data.job.winner === null ? "Best" : "Winner";
  const note = drawChart(plotly, target, {
    trials: scored,
    parents,
    highlight: chosen ? { ...chosen, name } : null,
    total: data.job.trials_total ?? data.trials.size,
    stages,
  });
  setText(byId("chart-note"), note || sentence(scored, parents));
  openOnClick(target);
}

// A point of the chart leads to its trial, as its line in the table does.
function openOnClick(target) {
  if (target.opens) return;
  target.opens = true;
  target.on("plotly_click", ({ points: [point] }) => openTrial(point.x));
}

function sentence(scored, parents) {
  if (!scored.length || !parents.length) return "";
  const whole = scored.filter((trial) => !isEstimate(trial));
  const beating = whole.filter(({ fitness }) => fitness > parents[0].fitness).length;
  const kind = whole.length < scored.length ? "trials scored on all items" : "scored trials";
  return `${beating} of ${whole.length} ${kind} beat the best parent, ${parents[0].label} (${percent(parents[0].fitness)}).`;
}

function redraw() {
  render();
  panels.redraw();
}

function complain(text) {
  setText(byId("notice"), text);
  show(byId("notice"), true);
}

jobActions(data, {
  complain,
  changed() {
    if (data.stale.size) refresh();
    render();
  },
});
byId("trials").addEventListener("toggle", render);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
addEventListener("resize", redraw);
setInterval(() => data.job && !hasEnded(data.job) && tick(data), 1000);

loadPlotly(page.plotly).then(
  (loaded) => {
    plotly = loaded;
    render();
  },
  () => {
    setText(byId("chart-wait"), "The chart could not be loaded; the table below says the same.");
    byId("trials").open = true;
  },
);

refresh();
follow({
  job: page.job,
  cursor: page.cursor,
  onEvent(kind, event) {
    data.take(kind, event);
    if (data.stale.size) refresh();
    render();
  },
  onLost() {
    lost = true;
    show(byId("offline"), true);
  },
  onResumed() {
    lost = false;
    show(byId("offline"), false);
    data.staleAll();
    refresh();
  },
});
