// Parallel coordinates: a line for every trial, through an axis for every gene, up to its fitness.

import { element } from "./dom.js";
import { isEstimate } from "./fitness.js";
import { count, percent } from "./format.js";
import { axis, coloursOf, CONFIG, look } from "./plot.js";
import { plainTable } from "./table.js";

const MOST_GENES = 14;
const MOST_LINES = 400;
const IN_TABLE = 20;
const GROUPS = [
  { name: "lowest quarter", from: 0, mix: 18 },
  { name: "second quarter", from: 0.25, mix: 34 },
  { name: "third quarter", from: 0.5, mix: 55 },
  { name: "best quarter", from: 0.75, mix: 85 },
];

// `genes`: {name, low, high} of one stage; `order`: names of genes, most important first.
export function drawParallel(plotly, target, twin, { genes, trials, order, best }) {
  const shown = chosenGenes(genes, order);
  const whole = trials.filter((trial) => trial.fitness !== null && !isEstimate(trial));
  if (whole.length < 2 || shown.length < 2) return "";
  const ranked = [...whole].sort((a, b) => a.fitness - b.fitness);
  const lines = thinned(ranked);
  const range = { low: ranked[0].fitness, high: ranked.at(-1).fitness };
  const colours = coloursOf(target);
  const traces = GROUPS.map((group, at) => {
    const end = GROUPS[at + 1]?.from ?? 1.01;
    const members = lines.filter((_trial, place) => place / lines.length >= group.from && place / lines.length < end);
    return trace(group.name, members, shown, range, mixed(target, group.mix), 1.1);
  });
  const top = whole.find(({ number }) => number === best) ?? ranked.at(-1);
  traces.push(trace(`trial ${top.number}`, [top], shown, range, colours.accent, 3));
  plotly.react(target, traces, layoutOf(target, colours, shown, range), CONFIG);
  twin.replaceChildren(genomeTable(genes, ranked.slice(-IN_TABLE).reverse()));
  const some = lines.length < whole.length ? `${count(lines.length)} of ${count(whole.length)} trials are drawn, the best tenth of them all. ` : "";
  const which = order.length ? `The ${shown.length} genes that matter most` : `The first ${shown.length} genes`;
  const left = shown.length < genes.length ? `${which}, of ${genes.length}. ` : "";
  return `${left}${some}Every axis runs over its gene’s bounds; the last is fitness, ${percent(range.low)} to ${percent(range.high)}. Darker lines are better; the thick one is trial ${top.number}.`;
}

function chosenGenes(genes, order) {
  const placed = genes.map((gene, at) => ({ ...gene, at }));
  if (placed.length <= MOST_GENES) return placed;
  const rank = (gene) => (order.includes(gene.name) ? order.indexOf(gene.name) : Infinity);
  return [...placed].sort((a, b) => rank(a) - rank(b) || a.at - b.at).slice(0, MOST_GENES).sort((a, b) => a.at - b.at);
}

// All of the best tenth, and an even choice of the rest.
function thinned(ranked) {
  if (ranked.length <= MOST_LINES) return ranked;
  const top = ranked.slice(-Math.min(Math.ceil(ranked.length / 10), MOST_LINES / 2));
  const rest = ranked.slice(0, ranked.length - top.length);
  const step = rest.length / (MOST_LINES - top.length);
  return [...Array.from({ length: MOST_LINES - top.length }, (_none, at) => rest[Math.floor(at * step)]), ...top];
}

// One trace a group: a gap between two trials keeps their lines apart.
function trace(name, trials, genes, { low, high }, color, width) {
  const x = [];
  const y = [];
  const span = high - low || 1;
  for (const { genome, fitness } of trials) {
    genes.forEach((gene, place) => {
      x.push(place);
      y.push((genome[gene.at] - gene.low) / (gene.high - gene.low));
    });
    x.push(genes.length, null);
    y.push((fitness - low) / span, null);
  }
  return { name, type: "scatter", mode: "lines", x, y, line: { color, width, shape: "spline", smoothing: 0.4 }, hoverinfo: "name" };
}

function layoutOf(target, colours, genes, range) {
  const labels = [...genes.map(({ name }) => name), "fitness"];
  const ends = [...genes.map(({ low, high }) => [low, high].map((bound) => String(Number(bound.toPrecision(3))))), [percent(range.low), percent(range.high)]];
  const mark = (text, x, y) => ({ x, y, text, showarrow: false, yanchor: y > 0 ? "bottom" : "top", font: { size: 11, color: colours.quiet } });
  return {
    ...look(target, colours),
    margin: { l: 46, r: 46, t: 24, b: 116 },
    showlegend: false,
    hovermode: "closest",
    dragmode: false,
    xaxis: { ...axis(colours), tickvals: labels.map((_label, at) => at), ticktext: labels.map(wrapped), tickangle: 35, range: [-0.2, labels.length - 0.8], fixedrange: true },
    yaxis: { ...axis(colours), visible: false, range: [-0.1, 1.1], fixedrange: true },
    annotations: ends.flatMap(([low, high], at) => [mark(high, at, 1.01), mark(low, at, -0.01)]),
  };
}

const wrapped = (name) => (name.length > 22 ? name.replace("[", "<br>[") : name);

// Plotly knows no color-mix: a probe in the page works out what the mixture is.
function mixed(target, share) {
  const probe = element("span", {});
  probe.style.color = `color-mix(in srgb, var(--accent) ${share}%, var(--card))`;
  target.after(probe);
  const canvas = new OffscreenCanvas(1, 1).getContext("2d");
  canvas.fillStyle = getComputedStyle(probe).color;
  canvas.fillRect(0, 0, 1, 1);
  const [red, green, blue] = canvas.getImageData(0, 0, 1, 1).data;
  probe.remove();
  return `rgb(${red},${green},${blue})`;
}

function genomeTable(genes, trials) {
  const columns = [{ name: "Trial", right: true }, { name: "Fitness", right: true }, ...genes.map(({ name }) => ({ name, right: true }))];
  const rows = trials.map(({ number, fitness, genome }) => [number, percent(fitness), ...genome.map((value) => value.toFixed(3))]);
  return plainTable(`Genomes of the best ${trials.length} trials`, columns, rows);
}
