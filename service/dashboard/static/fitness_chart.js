// The fitness of every trial on a job's page: the figure, its sentence, and the way to a trial.

import { drawChart, windowOf } from "./chart.js";
import { byId, setText, show } from "./dom.js";
import { isEstimate } from "./fitness.js";
import { count, percent } from "./format.js";
import { loadPlotly } from "./plot.js";

const BASELINES = [/^(average|slerp) /, /^task arithmetic /];

// `open(number)` shows one trial, `changed()` asks for another drawing. Returns `draw(data)`, which
// does nothing while there is nothing new to draw, and `draw.again()`, after which it does.
export function fitnessChart(plotlyUrl, { open, changed }) {
  const target = byId("chart");
  const wait = byId("chart-wait");
  let plotly = null;
  let drawn = null;

  loadPlotly(plotlyUrl).then(
    (loaded) => {
      plotly = loaded;
      changed();
    },
    () => {
      setText(wait, "The chart could not be loaded; the table below says the same.");
      byId("trials").open = true;
    },
  );

  function draw(data) {
    const parents = data.parentFitness();
    const baselines = baselineFitness(data);
    const begun = data.top !== null || data.stopped + data.estimated + parents.length > 0;
    show(wait, !begun);
    show(target, begun && plotly !== null);
    if (!begun || plotly === null) return;
    const chosen = data.trials.get(data.chosen()) ?? null;
    const { trials_total: most, winner, stages } = data.job;
    const facts = [data.revision, parents, baselines, chosen, winner, most, stages, windowOf(target)];
    const key = JSON.stringify(facts);
    if (key === drawn) return;
    drawn = key;
    const scored = data.ended().filter(({ fitness }) => fitness !== null);
    const note = drawChart(plotly, target, {
      trials: scored,
      parents,
      baselines,
      highlight: chosen && { ...chosen, name: winner === null ? "Best" : "Winner" },
      total: most ?? data.trials.size,
      stages: starts(stages),
    });
    setText(byId("chart-note"), note || sentence(scored, parents));
    listen();
  }

  // A point leads to its trial, as its line in the table does; a closer look shows more points.
  function listen() {
    if (target.listened) return;
    target.listened = true;
    target.on("plotly_click", ({ points: [point] }) => open(point.x));
    target.on("plotly_relayout", changed);
  }

  draw.again = () => {
    drawn = null;
  };
  return draw;
}

// What a person would try by hand, as far as the search began with it: the best average, and the
// best of one weight for all.
function baselineFitness({ seeds, trials }) {
  const scored = seeds
    .map(({ trial, label }) => ({ label, trial: trials.get(trial) }))
    .filter(({ trial }) => trial && trial.fitness !== null && !isEstimate(trial))
    .map(({ label, trial }) => ({ label, fitness: trial.fitness }))
    .sort((a, b) => b.fitness - a.fitness);
  return BASELINES.flatMap((kind) => scored.find(({ label }) => kind.test(label)) ?? []);
}

function starts(stages) {
  let first = 0;
  return stages.map(({ name, trials, total }) => {
    const stage = { name, first };
    first += total ?? trials;
    return stage;
  });
}

function sentence(scored, parents) {
  if (!scored.length || !parents.length) return "";
  const whole = scored.filter((trial) => !isEstimate(trial));
  const beating = whole.filter(({ fitness }) => fitness > parents[0].fitness).length;
  const kind = whole.length < scored.length ? "trials scored on all items" : "scored trials";
  return `${count(beating)} of ${count(whole.length)} ${kind} beat the best parent, ${parents[0].label} (${percent(parents[0].fitness)}).`;
}
