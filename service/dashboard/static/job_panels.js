// The panels of a job's page that ask for facts of their own.

import { getJson } from "./api.js";
import { byId, element, redrawOn, setText, show } from "./dom.js";
import { drawFront } from "./front.js";
import { importanceTables } from "./importance.js";
import { logPanel } from "./log.js";
import { growth, panel } from "./panel.js";
import { drawParallel } from "./parallel.js";
import { loadPlotly } from "./plot.js";
import { recipePicture } from "./recipe_picture.js";
import { drawTimeline } from "./timeline.js";

// Returns `update(data)` and `redraw()`.
export function jobPanels(plotlyUrl) {
  const withPlotly = (load) => async (data) => {
    const [plotly, facts] = await Promise.all([loadPlotly(plotlyUrl), load(data)]);
    return { plotly, ...facts };
  };

  const picture = panel("picture-panel", {
    keyOf: (data) => data.best && `${data.best.trial}`,
    load: ({ path, best }) => getJson(`${path}/panels/trials/${best.trial}/picture`),
    draw(facts, { best }) {
      setText(byId("picture-title"), `What the ${best.final ? "winner" : "best child so far"} is made of`);
      redrawOn(byId("picture"), facts, () => recipePicture(facts));
    },
  });

  const importance = panel("importance-panel", {
    keyOf: growth,
    load: ({ path }) => getJson(`${path}/importance`),
    draw(stages) {
      redrawOn(byId("importance"), stages, () => importanceTables(stages));
      return stages.length > 0;
    },
  });

  const genes = panel("genes-panel", {
    keyOf: growth,
    load: withPlotly(async (data) => ({
      genes: await getJson(`${data.path}/panels/genes`),
      importance: await getJson(`${data.path}/importance`),
      trials: await data.wholeTrials(),
    })),
    draw({ plotly, genes: byStage, importance: stages, trials }, data) {
      const stage = chosenOption(byId("genes-stage"), Object.keys(byStage), -1);
      if (!stage) return false;
      const order = Object.keys(stages.find((one) => one.stage === stage)?.importances ?? {});
      const mine = trials.filter((trial) => trial.stage === stage);
      const note = drawParallel(plotly, byId("genes-chart"), byId("genes-table"), { genes: byStage[stage], trials: mine, order, best: data.chosen() });
      setText(byId("genes-note"), note);
      return note !== "";
    },
  });

  const front = panel("front-panel", {
    keyOf: (data) => (data.job.spec.objectives?.kind === "pareto" ? growth(data) : null),
    load: withPlotly(async (data) => ({ front: await getJson(`${data.path}/front`), trials: await data.wholeTrials() })),
    draw(facts, data) {
      const names = data.job.spec.objectives.over;
      const pair = [chosenOption(byId("front-first"), names, 0), chosenOption(byId("front-second"), names, 1)];
      if (facts.front.length === 0) return false;
      drawFront(facts.plotly, byId("front-chart"), byId("front-table"), { ...facts, names, pair });
      return true;
    },
  });

  const timeline = panel("timeline-panel", {
    keyOf: growth,
    load: withPlotly(async ({ path }) => ({ stints: await getJson(`${path}/panels/timeline`) })),
    draw({ plotly, stints }) {
      if (stints.length === 0) return false;
      setText(byId("timeline-note"), drawTimeline(plotly, byId("timeline-chart"), byId("timeline-table"), stints));
      return true;
    },
  });

  const all = [picture, importance, genes, front, timeline, logPanel()];
  const redraw = () => all.forEach((one) => one.redraw());
  byId("genes-stage").addEventListener("change", genes.redraw);
  byId("front-first").addEventListener("change", front.redraw);
  byId("front-second").addEventListener("change", front.redraw);
  return {
    redraw,
    update(data) {
      show(byId("front-panel"), data.job.spec.objectives?.kind === "pareto");
      for (const one of all) one(data);
    },
  };
}

// Fills a select with options and gives the chosen one; at first the one at `start`. With a single
// option there is nothing to choose.
function chosenOption(select, names, start) {
  redrawOn(select, names, () => names.map((name) => element("option", { selected: name === names.at(start) }, name)));
  show(select.closest("label"), names.length > 1);
  return select.value;
}
