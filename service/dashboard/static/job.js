// One job's page: fetch, follow, and hand each section its facts.

import { byId, setText, show } from "./dom.js";
import { fitnessChart } from "./fitness_chart.js";
import { drawActions, jobActions } from "./job_actions.js";
import { JobData } from "./job_data.js";
import { drawExports, drawFailures, drawParents, drawRecipe } from "./job_details.js";
import { drawHead, drawTiles, tick } from "./job_head.js";
import { drawResult } from "./job_result.js";
import { coalesced, once, paced } from "./pace.js";
import { follow } from "./stream.js";
import { trialsTable } from "./trials_table.js";
import { hasEnded } from "./words.js";

const RETRY_MS = 3000;
const page = byId("main").dataset;
const data = new JobData(page.job);
// What nobody sees at first, the panels and a trial's dialog: it comes once the first figure can be drawn.
let rest = null;
const loadRest = once(async () => {
  const modules = [import("./job_panels.js"), import("./trial_dialog.js")];
  const [{ jobPanels }, { trialDialog, trialOfAddress }] = await Promise.all(modules);
  wanted = trialOfAddress();
  rest = { panels: jobPanels(page.plotly), openTrial: trialDialog(data) };
  render();
});
const openTrial = (number) => loadRest().then(() => rest.openTrial(number));
const drawFitness = fitnessChart(page.plotly, { open: openTrial, changed: () => render() });
let lost = false;
// The trial that the page's address asks for, until it is shown.
let wanted = null;

const refresh = coalesced(async () => {
  try {
    await data.refresh(rest ? undefined : drawFirst);
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

// Where the rest does not come, the next refresh asks for it again.
function drawFirst() {
  render();
  loadRest().catch(() => {});
}

const PARTS = [
  drawHead,
  drawActions,
  drawTiles,
  drawFitness,
  drawResult,
  trialsTable({ open: openTrial, changed: () => render() }),
  drawFailures,
  drawRecipe,
  drawParents,
  drawExports,
  (data) => rest?.panels.update(data),
  openWanted,
];
const render = paced(PARTS.map((part) => () => data.job && part(data)));

function openWanted() {
  if (wanted === null || !data.trials.has(wanted)) return;
  rest.openTrial(wanted);
  wanted = null;
}

function redraw() {
  drawFitness.again();
  render();
  rest?.panels.redraw();
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
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", redraw);
addEventListener("resize", redraw);
setInterval(() => data.job && !hasEnded(data.job) && tick(data), 1000);

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
