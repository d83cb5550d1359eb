// The fitness chart: a point for every trial, the best so far as steps, a line a parent or baseline.

import { lineLabels, referenceLines, rightMargin, stageLabels, stageShapes } from "./chart_lines.js";
import { isEstimate } from "./fitness.js";
import { count } from "./format.js";
import { axis, coloursOf, CONFIG, look } from "./plot.js";

const NARROW = 560;
// Each is an element of the page: drawing more of them takes longer than a key may wait.
const MOST_POINTS = 600;
const MOST_PARENTS = 6;
const ESTIMATES = { stopped: "Stopped early", estimated: "Scored on anchors alone" };

// `trials`: scored ones in order of number; `parents`: {label, fitness}; `highlight`: the trial
// to mark, or null; `total`: trials of the whole budget; `stages`: {name, first}; `baselines`:
// {label, fitness} as well. Returns a sentence where not every point is drawn.
export function drawChart(plotly, target, { trials, parents, baselines, highlight, total, stages }) {
  const colours = coloursOf(target);
  const narrow = target.clientWidth < NARROW;
  const shown = [
    ...parents.slice(0, MOST_PARENTS).map((parent) => ({ ...parent, kind: "Parent" })),
    ...baselines.map((baseline) => ({ ...baseline, kind: "By hand" })),
  ].sort((a, b) => b.fitness - a.fitness);
  const lines = referenceLines(shown, colours);
  const inSight = visible(trials, windowOf(target));
  const points = thinned(inSight);
  const whole = [-0.5, xEnd(trials, total)];
  const range = yRange([...trials, ...shown]);
  const layout = {
    ...look(target, colours),
    margin: { l: narrow ? 46 : 62, r: narrow ? 8 : rightMargin(shown), t: 34, b: 46 },
    hovermode: "closest",
    dragmode: narrow ? false : "zoom",
    showlegend: true,
    legend: { orientation: "h", x: 0, y: 1.02, yanchor: "bottom", itemclick: false, itemdoubleclick: false },
    xaxis: { ...axis(colours), title: { text: "Trial", standoff: 8, font: { size: 13 } }, range: [...whole] },
    yaxis: {
      ...axis(colours),
      title: narrow ? undefined : { text: "Fitness (search split)", standoff: 10, font: { size: 13 } },
      tickformat: ".0%",
      range,
    },
    shapes: stageShapes(stages, colours),
    annotations: [
      ...lineLabels(shown, range, target.clientHeight - 80, narrow, colours),
      ...stageLabels(stages, colours),
    ],
  };
  const isWhole = (trial) => !isEstimate(trial);
  const traces = [
    trialPoints(points.filter(isWhole), colours),
    bestLine(trials.filter(isWhole), colours),
  ];
  for (const [state, name] of Object.entries(ESTIMATES)) {
    const some = points.filter((trial) => trial.state === state);
    if (some.length) traces.unshift(estimatedPoints(some, name, colours));
  }
  if (highlight) traces.push(highlighted(highlight, colours));
  target.whole = whole;
  plotly.react(target, [...lines, ...traces], layout, CONFIG);
  return points.length < inSight.length
    ? `${count(points.length)} of ${count(inSight.length)} scored trials are drawn, evenly spread; a closer look shows those between. The best-so-far line takes all of them.`
    : "";
}

// The trials from and to which somebody has zoomed in, or null.
export function windowOf({ layout, whole }) {
  if (!whole) return null;
  const [first, last] = layout.xaxis.range;
  return first === whole[0] && last === whole[1] ? null : [first, last];
}

function visible(trials, window) {
  return window ? trials.filter(({ number }) => number >= window[0] && number <= window[1]) : trials;
}

function trialPoints(trials, colours) {
  return {
    name: "Trial",
    type: "scatter",
    mode: "markers",
    x: trials.map(({ number }) => number),
    y: trials.map(({ fitness }) => fitness),
    marker: { color: colours.point, size: 6, opacity: 0.75, line: { width: 0 } },
    hovertemplate: "trial %{x}: %{y:.1%}<extra></extra>",
  };
}

// Hollow: the fitness is an estimate.
function estimatedPoints(trials, name, colours) {
  return {
    name,
    type: "scatter",
    mode: "markers",
    x: trials.map(({ number }) => number),
    y: trials.map(({ fitness }) => fitness),
    customdata: trials.map(({ n }) => n),
    marker: { symbol: "circle-open", color: colours.point, size: 5, opacity: 0.6 },
    hovertemplate: "trial %{x}: about %{y:.1%}, from %{customdata} items<extra></extra>",
  };
}

function bestLine(trials, colours) {
  const x = [];
  const y = [];
  let best = -Infinity;
  for (const { number, fitness } of trials) {
    if (fitness > best) {
      best = fitness;
      x.push(number);
      y.push(fitness);
    }
  }
  if (trials.length && x.at(-1) !== trials.at(-1).number) {
    x.push(trials.at(-1).number);
    y.push(best);
  }
  return {
    name: "Best so far",
    type: "scatter",
    mode: "lines",
    x,
    y,
    line: { shape: "hv", color: colours.accent, width: 2.25 },
    hovertemplate: "best so far at trial %{x}: %{y:.1%}<extra></extra>",
  };
}

function highlighted({ number, fitness, name }, colours) {
  return {
    name,
    type: "scatter",
    mode: "markers",
    x: [number],
    y: [fitness],
    marker: { color: colours.accent, size: 10, line: { color: colours.card, width: 2 } },
    hovertemplate: `${name.toLowerCase()}, trial %{x}: %{y:.1%}<extra></extra>`,
    showlegend: false,
  };
}

// The whole budget, halved while what there is fills less than half of it: few changes of scale.
function xEnd(trials, total) {
  const last = trials.length ? trials.at(-1).number : 0;
  let end = total;
  while (end > 20 && end / 2 > last + 1) end /= 2;
  return end - 0.5;
}

function yRange(shown) {
  let low = Infinity;
  let high = -Infinity;
  for (const { fitness } of shown) {
    low = Math.min(low, fitness);
    high = Math.max(high, fitness);
  }
  const room = Math.max(0.02, 0.08 * (high - low));
  return [Math.floor((low - room) * 50) / 50, Math.ceil((high + room) * 50) / 50];
}

function thinned(trials) {
  const stride = Math.ceil(trials.length / MOST_POINTS);
  return stride > 1 ? trials.filter((_trial, index) => index % stride === 0) : trials;
}
