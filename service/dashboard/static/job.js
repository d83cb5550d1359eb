// One job's page: fetch, follow, and hand each section its facts.

import { ApiError, postJson } from "./api.js";
import { drawChart, loadPlotly } from "./chart.js";
import { byId, setText, show } from "./dom.js";
import { isEstimate } from "./fitness.js";
import { percent } from "./format.js";
import { JobData } from "./job_data.js";
import { drawExports, drawFailures, drawParents, drawRecipe, drawTrials } from "./job_details.js";
import { drawHead, drawTiles, tick } from "./job_head.js";
import { drawResult } from "./job_result.js";
import { coalesced, paced } from "./pace.js";
import { follow } from "./stream.js";
import { hasEnded } from "./words.js";

const RETRY_MS = 3000;
const page = byId("main").dataset;
const data = new JobData(page.job);
let plotly = null;
let lost = false;

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
  drawTiles(data);
  drawResult(data);
  drawFitness();
  drawTrials(data);
  drawFailures(data);
  drawRecipe(data);
  drawParents(data);
  drawExports(data);
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
}

function sentence(scored, parents) {
  if (!scored.length || !parents.length) return "";
  const whole = scored.filter((trial) => !isEstimate(trial));
  const beating = whole.filter(({ fitness }) => fitness > parents[0].fitness).length;
  const kind = whole.length < scored.length ? "trials scored on all items" : "scored trials";
  return `${beating} of ${whole.length} ${kind} beat the best parent, ${parents[0].label} (${percent(parents[0].fitness)}).`;
}

function complain(text) {
  setText(byId("notice"), text);
  show(byId("notice"), true);
}

async function post(path, body) {
  try {
    return await postJson(`${data.path}/${path}`, body);
  } catch (error) {
    complain(error instanceof ApiError ? `Refused: ${error.message}.` : `${error.message}.`);
    return null;
  }
}

async function cancel() {
  byId("confirm").close();
  const job = await post("cancel", {});
  if (job) data.job = job;
  render();
}

async function exportBest() {
  const button = byId("export");
  button.disabled = true;
  const made = await post("exports", {});
  if (made) {
    data.stale.add("exports");
    refresh();
  }
  button.disabled = false;
}

byId("cancel").addEventListener("click", () => byId("confirm").showModal());
byId("keep").addEventListener("click", () => byId("confirm").close());
byId("stop").addEventListener("click", cancel);
byId("export").addEventListener("click", exportBest);
byId("trials").addEventListener("toggle", render);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", render);
addEventListener("resize", render);
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
